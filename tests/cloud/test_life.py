"""The whole life of a job on each platform, in an account that moto pretends."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from verger.cloud import policy, runs, stack
from verger.cloud.job import Job, Platform
from verger.cloud.life import Life

from .pretended import NAME, Account

PLATFORMS: list[Platform] = ["ec2", "emr", "serverless"]
Naps = list[Callable[[], object]]
# Where a policy says it otherwise than the call.
SERVICES = {"emr": "elasticmapreduce", "resource-groups-tagging-api": "tag"}
ACTIONS = {
    "budgets:CreateBudget": "budgets:ModifyBudget",
    "budgets:DeleteBudget": "budgets:ModifyBudget",
    "budgets:DescribeBudget": "budgets:ViewBudget",
    "s3:DeleteObjects": "s3:DeleteObject",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "s3:ListObjectsV2": "s3:ListBucket",
}


def run(life: Life, job: Job, files: dict[str, Path]) -> dict[str, object]:
    return runs.run_to_end(life, job, files, budget_usd=11.5, email="", keep=False)


@pytest.mark.parametrize("on", PLATFORMS)
def test_a_run_ends_and_leaves_nothing(
    on: Platform, account: Account, life: Life, job: Callable[[Platform], Job],
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


def test_the_policy_lets_one_list_the_jobs(
    life: Life, job: Callable[[Platform], Job], files: dict[str, Path]
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
