"""Stacks of CloudFormation: create one, follow it, delete it, and say what went wrong."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any

from verger.cloud.aws import Aws, absent, told
from verger.errors import CloudError, NetworkError
from verger.progress import Reporter

TAG = "verger:job"
SECONDS_BETWEEN_LOOKS = 5.0
_MINUTES_TO_CREATE = 40  # after so long AWS gives up, and takes all back
_LONGEST = _MINUTES_TO_CREATE + 20
_PATIENCE = 12  # looks in vain, before a network that is gone is given up on


def template(name: str) -> str:
    """Return a template of the package: `base`, `ec2`, `emr` or `serverless`; YAML."""
    return (files("verger.cloud") / "templates" / f"{name}.yaml").read_text(encoding="utf-8")


def submit(
    aws: Aws, job: str, name: str, of: str, parameters: Mapping[str, str], *, keep: bool = True
) -> str:
    """Have AWS make a stack of a template; return its ARN. From here on AWS goes on by itself.

    What fails is taken back by AWS, whether or not anyone is still listening. The empty stack stays
    with the reason; without `keep` it goes too.
    """
    with told(f"create the stack {name}"):
        return str(
            aws.client("cloudformation").create_stack(
                StackName=name,
                TemplateBody=template(of),
                Parameters=[
                    {"ParameterKey": key, "ParameterValue": value}
                    for key, value in parameters.items()
                ],
                Capabilities=["CAPABILITY_NAMED_IAM"],
                Tags=[{"Key": TAG, "Value": job}],
                OnFailure="ROLLBACK" if keep else "DELETE",
                TimeoutInMinutes=_MINUTES_TO_CREATE,
                # Asked again by the SDK, where the answer was lost, it is the same request; asked
                # for by a later try, it is another.
                ClientRequestToken=f"{name}-{secrets.token_hex(4)}",
            )["StackId"]
        )


def create(
    aws: Aws,
    job: str,
    name: str,
    of: str,
    parameters: Mapping[str, str],
    reporter: Reporter,
    sleep: Callable[[float], None],
) -> None:
    """Create a stack of a template, and wait for it.

    Raises `CloudError`, which names the resource and the reason, where AWS could not make it.
    """
    stack = submit(aws, job, name, of, parameters, keep=False)
    with reporter.stage(f"Stack {name}", None, "resources") as stage:
        found = _settled(aws, stack, sleep, lambda: stage.update(len(_made(aws, stack))))
    if (status := found["StackStatus"]) != "CREATE_COMPLETE":
        raise CloudError(
            f"The stack {name} could not be created: {reason(aws, stack) or status}.",
            hint="AWS has undone what it had made.",
        )


def describe(aws: Aws, name: str) -> dict[str, Any] | None:
    """Return what AWS tells of a stack, by name or ARN; None where there is none, or no longer."""
    stacks: list[dict[str, Any]] = []
    with told(f"look at the stack {name}"), absent("ValidationError"):  # its word for it
        stacks = aws.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    return next((found for found in stacks if found["StackStatus"] != "DELETE_COMPLETE"), None)


def delete(aws: Aws, name: str, reporter: Reporter, sleep: Callable[[float], None]) -> None:
    """Delete a stack and wait until it is gone; nothing happens where there is none.

    Raises `CloudError` where something of it cannot be deleted, and says what and why.
    """
    found = describe(aws, name)
    if found is None:
        return
    stack = found["StackId"]
    reporter.say(f"Deleting the stack {name}.")
    with told(f"delete the stack {name}"):
        aws.client("cloudformation").delete_stack(StackName=stack)
    found = _settled(aws, stack, sleep, lambda: None)
    if found["StackStatus"] != "DELETE_COMPLETE":
        raise CloudError(
            f"The stack {name} could not be deleted: "
            f"{reason(aws, stack, 'DELETE_FAILED') or found['StackStatus']}."
        )


def jobs(aws: Aws) -> list[tuple[str, str]]:
    """Return the jobs that have a stack in this region, with the status of one."""
    with told("list the stacks"):
        stacks = aws.all_of("cloudformation", "describe_stacks", "Stacks[]")
    found = {}
    for stack in stacks:
        job = next((tag["Value"] for tag in stack.get("Tags", []) if tag["Key"] == TAG), "")
        if job and stack["StackStatus"] != "DELETE_COMPLETE":
            found[job] = stack["StackStatus"]
    return sorted(found.items())


def _settled(
    aws: Aws, stack: str, sleep: Callable[[float], None], looked: Callable[[], None]
) -> dict[str, Any]:
    """Return what a stack is once AWS has done with it; `looked` is called at each look."""
    client = aws.client("cloudformation")
    until, patience = time.monotonic() + _LONGEST * 60, _PATIENCE
    while True:
        try:
            with told("follow the stack"):
                found: dict[str, Any] = client.describe_stacks(StackName=stack)["Stacks"][0]
            looked()
        except NetworkError:
            patience -= 1
            if not patience:
                raise
            sleep(SECONDS_BETWEEN_LOOKS)
            continue
        if not found["StackStatus"].endswith("IN_PROGRESS"):
            return found
        if time.monotonic() > until:
            raise CloudError(f"The stack {found['StackName']} has not settled in an hour.")
        sleep(SECONDS_BETWEEN_LOOKS)


def _events(aws: Aws, stack: str) -> list[dict[str, Any]]:
    with told("read the events of the stack"):
        return aws.all_of(
            "cloudformation", "describe_stack_events", "StackEvents[]", StackName=stack
        )


def _made(aws: Aws, stack: str) -> set[str]:
    return {
        event["LogicalResourceId"]
        for event in _events(aws, stack)
        if event["ResourceStatus"] == "CREATE_COMPLETE"
    }


def reason(aws: Aws, stack: str, status: str = "CREATE_FAILED") -> str:
    """Return the first failure, which the others follow from."""
    failures = [
        f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', 'no reason given')}"
        for event in _events(aws, stack)
        if event["ResourceStatus"] == status
    ]
    return failures[-1].rstrip(".") if failures else ""  # events come newest first
