"""Ending what works for a job, each service in the order that it asks for."""

from __future__ import annotations

from collections.abc import Callable

from verger.cloud.aws import Aws, absent, told
from verger.cloud.parameters import start_schedule
from verger.cloud.watch import applications, clusters, instances, job_runs, keeper
from verger.errors import CloudError

_SECONDS_BETWEEN_LOOKS = 5.0
_LOOKS = 120  # ten minutes: a job run is given two to end, an application some to let go
_RUN_IS_OVER = ("SUCCESS", "FAILED", "CANCELLED")
_MAY_BE_DELETED = ("CREATED", "STOPPED", "TERMINATED")


def end(aws: Aws, job: str, sleep: Callable[[float], None]) -> list[str]:
    """Terminate whatever works for a job; return what was terminated.

    Servers and clusters end by themselves from here on. An application is waited for: whoever
    deletes it next may. Raises `CloudError` where one does not stop.
    """
    _end_keeper(aws, job)
    ended = []
    for cluster in clusters(aws, job):
        with told(f"terminate {cluster}"):
            aws.client("emr").terminate_job_flows(JobFlowIds=[cluster])
        ended.append(cluster)
    for instance in instances(aws, job):
        with told(f"terminate {instance}"):
            aws.client("ec2").terminate_instances(InstanceIds=[instance])
        ended.append(instance)
    for application in applications(aws, job):
        ended += _end_application(aws, application, sleep)
    return ended


def _end_keeper(aws: Aws, job: str) -> None:
    """End what starts servers and job runs, so that it starts none any more."""
    with told("delete the schedule"), absent("ResourceNotFoundException"):
        aws.client("scheduler").delete_schedule(Name=start_schedule(job))
    if (kept := keeper(aws, job)) and kept["status"] == "RUNNING":
        with told("stop the job's state machine"):
            aws.client("stepfunctions").stop_execution(executionArn=kept["executionArn"])


def _end_application(aws: Aws, application: str, sleep: Callable[[float], None]) -> list[str]:
    """End every job run, then stop the application: each is asked for once the other is done.

    AWS refuses to stop an application while a job of it is not over, and to delete one that is
    neither created nor stopped.
    """
    client, state = aws.client("emr-serverless"), ""
    ended: list[str] = []
    for _ in range(_LOOKS):
        # What has ended since it was looked at cannot be ended: the next look will tell.
        with told(f"stop {application}"), absent("ValidationException", "ConflictException"):
            runs = job_runs(aws, application)
            busy = [run for run in runs if run["state"] not in _RUN_IS_OVER]
            for run in busy:
                if run["id"] not in ended and run["state"] != "CANCELLING":
                    client.cancel_job_run(applicationId=application, jobRunId=run["id"])
                    ended.append(run["id"])
            state = client.get_application(applicationId=application)["application"]["state"]
            if not busy and state in _MAY_BE_DELETED:
                return ended
            if not busy and state == "STARTED":
                client.stop_application(applicationId=application)
                ended.append(application)
        sleep(_SECONDS_BETWEEN_LOOKS)
    raise CloudError(
        f"{application} is still {state.lower()} ten minutes after it was told to stop.",
        hint="It stops by itself when idle; run verger cloud down again then.",
    )
