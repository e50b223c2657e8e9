"""The whole life of a job on each platform, in an account that moto pretends."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from verger.cloud import entry, places, policy, runs, stack
from verger.cloud.job import Job, Platform
from verger.cloud.life import Life
from verger.errors import CloudError, UsageError

from .pretended import NAME, Account, MakeJob, Naps

PLATFORMS: list[Platform] = ["ec2", "emr", "serverless"]
# Where a policy says it otherwise than the call.
SERVICES = {
    "emr": "elasticmapreduce",
    "service-quotas": "servicequotas",
    "resource-groups-tagging-api": "tag",
    "sfn": "states",
}
ACTIONS = {
    "budgets:CreateBudget": "budgets:ModifyBudget",
    "budgets:DeleteBudget": "budgets:ModifyBudget",
    "budgets:DescribeBudget": "budgets:ViewBudget",
    "s3:DeleteObjects": "s3:DeleteObject",
    "s3:GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "s3:ListObjectsV2": "s3:ListBucket",
}


def run(life: Life, job: Job, files: dict[str, Path]) -> dict[str, object]:
    return runs.run_to_end(life, job, files, budget_usd=11.5, email="", keep=False)


@pytest.mark.parametrize("on", PLATFORMS)
def test_a_run_ends_and_leaves_nothing(
    on: Platform, account: Account, life: Life, job: MakeJob,
    files: dict[str, Path], naps: Naps, finished: Callable[[], None],
) -> None:  # fmt: skip
    naps += [lambda: None, finished]
    asked = listen(life)

    record = run(life, job(on), files)

    assert record["counts"] == {"listed": 5, "embedded": 4, "rejected": 1}
    assert account.left() == []
    assert life.down(NAME) == []
    assert len(asked) > 15
    assert {action for action in asked if not permitted(action)} == set()


@pytest.mark.parametrize("on", ["ec2", "emr"])
def test_a_network_of_one_s_own_is_used_and_left(
    on: Platform, account: Account, life: Life, job: MakeJob,
    files: dict[str, Path], naps: Naps, finished: Callable[[], None],
) -> None:  # fmt: skip
    ec2 = account.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnets = tuple(
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.9.{n}.0/24")["Subnet"]["SubnetId"]
        for n in range(2)
    )
    before = len(ec2.describe_vpcs()["Vpcs"])
    asked = dataclasses.replace(
        job(on),
        network=places.network_of(life.aws, subnets),
        kms_keys=("arn:aws:kms:eu-west-1:123456789012:key/1",),
        boundary="arn:aws:iam::123456789012:policy/bounds",
        role_prefix="app-",
    )

    def look() -> None:
        assert len(ec2.describe_vpcs()["Vpcs"]) == before
        groups = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc]}])
        assert len(groups["SecurityGroups"]) > 1  # those of the job beside the default one
        roles = [role["RoleName"] for role in account.client("iam").list_roles()["Roles"]]
        assert {role.removeprefix(f"app-{NAME}-") for role in roles} == (
            {"keeper", "start"} | ({"server"} if on == "ec2" else {"service", "node"})
        )
        assert max(map(len, roles)) <= 64
        if on == "ec2":
            assert [server["SubnetId"] for server in account.servers()] == [subnets[0]]

    naps += [look, finished]
    run(life, asked, files)

    assert account.left() == [vpc]


def test_subnets_of_two_networks_are_refused(account: Account, life: Life) -> None:
    ec2, subnets = account.client("ec2"), []
    for number in range(2):
        vpc = ec2.create_vpc(CidrBlock=f"10.{number}.0.0/16")["Vpc"]["VpcId"]
        made = ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.{number}.0.0/24")
        subnets.append(made["Subnet"]["SubnetId"])

    with pytest.raises(CloudError, match="The subnets are in 2 networks"):
        places.network_of(life.aws, tuple(subnets))


def test_subnets_are_refused_where_no_network_is_used(life: Life, job: MakeJob) -> None:
    with pytest.raises(UsageError, match="uses no network of yours"):
        places.in_subnets(life.aws, job("serverless"), ("subnet-1",))


def test_the_policy_lets_one_list_the_jobs(
    life: Life, job: MakeJob, files: dict[str, Path]
) -> None:
    asked = listen(life)
    life.start(job("ec2"), files, budget_usd=1.0)
    asked.clear()

    assert [name for name, _ in stack.jobs(life.aws)] == [NAME]

    assert asked == {"cloudformation:DescribeStacks", "cloudformation:ListStacks"}
    assert all(permitted(action) for action in asked)


def listen(life: Life) -> set[str]:
    """Return what fills with the actions that are asked of AWS, as a policy names them."""
    asked: set[str] = set()

    def note(event_name: str, params: dict[str, Any], **rest: Any) -> None:
        _, service, operation = event_name.split(".")
        action = f"{SERVICES.get(service, service)}:{operation}"
        asked.add(ACTIONS.get(action, action))
        # "If you don't pass a parameter to StackName … this requires ListStacks and DescribeStacks
        # permissions" (docs.aws.amazon.com, API_DescribeStacks)
        if operation == "DescribeStacks" and "StackName" not in params["body"]:
            asked.add("cloudformation:ListStacks")

    life.aws._session.events.register("before-call", note)
    return asked


def permitted(action: str) -> bool:
    """Whether the policy that the pages give a user names an action."""
    for statement in policy.template()["Statement"]:
        names = statement["Action"]
        if any(fnmatch(action, name) for name in ([names] if isinstance(names, str) else names)):
            return True
    return False


def test_a_topic_is_told_how_a_run_ended(account: Account, tmp_path: Path) -> None:
    topic = account.client("sns").create_topic(Name="ended")["TopicArn"]
    sqs = account.client("sqs")
    queue = sqs.create_queue(QueueName="mail")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    account.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["QueueArn"])
    watched = entry.Watched(NAME, 0.0, tmp_path / "log")
    record = {"counts": {"listed": 5, "embedded": 4, "rejected": 1}}

    entry.notify(topic, watched.result(0, record))
    watched.say("verger: s3://orchard/photos holds no photo.")
    entry.notify(topic, watched.result(3, None))
    entry.notify(f"{topic}-gone", watched.result(3, None))  # ends nothing

    told = [
        json.loads(each["Body"])
        for each in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=9)["Messages"]
    ]
    assert [each["Subject"] for each in told] == ["Verger is done", "Verger failed (3)"]
    assert "4 of 5 photos" in told[0]["Message"]
    assert "holds no photo" in told[1]["Message"]
