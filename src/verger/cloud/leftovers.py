"""What AWS still has of a job, asked service by service, and then of its index of tags."""

from __future__ import annotations

from verger.cloud import alarm, stack, watch
from verger.cloud.aws import Aws, told
from verger.cloud.parameters import base_stack, job_stack, start_schedule
from verger.cloud.scratch import Scratch

# Kinds that are asked of their own service above, and that the index forgets late.
_ASKED = (
    ":cloudformation:",
    ":s3:::",
    ":elasticmapreduce:",
    ":emr-serverless:",
    ":instance/",
    ":budgets:",
)


def leftovers(aws: Aws, job: str) -> list[str]:
    """Return what is left of a job, a line each; nothing where all is gone."""
    found = [
        f"stack {name} ({there['StackStatus']})"
        for name in (job_stack(job), base_stack(job))
        if (there := stack.describe(aws, name))
    ]
    found += [f"server {instance}" for instance in watch.instances(aws, job)]
    found += [f"cluster {cluster}" for cluster in watch.clusters(aws, job)]
    found += [f"application {application}" for application in watch.applications(aws, job)]
    with told("list the schedules"):
        schedules = aws.client("scheduler").list_schedules(NamePrefix=start_schedule(job))
    found += [f"schedule {each['Name']}" for each in schedules["Schedules"]]
    scratch = Scratch(aws, job)
    if scratch.exists():
        found.append(f"bucket {scratch.name}")
    if alarm.is_there(aws, job):
        found.append(f"budget {job}")
    return found


def tagged(aws: Aws, job: str) -> list[str]:
    """Return what else AWS's index of tags has under a job; it forgets some minutes late."""
    with told("ask the index of tags"):
        arns = aws.all_of(
            "resourcegroupstaggingapi",
            "get_resources",
            "ResourceTagMappingList[].ResourceARN",
            TagFilters=[{"Key": stack.TAG, "Values": [job]}],
        )
    return [arn for arn in arns if not any(kind in arn for kind in _ASKED)]
