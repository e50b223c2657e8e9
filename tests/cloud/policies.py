"""What a template's roles may do: policies with their names filled in, and AWS's rules for them."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Mapping
from typing import Any

from cfnlint.decode.cfn_yaml import loads

from verger.cloud.stack import template

# What stands for what only AWS knows.
NAMES = {
    "AWS::Partition": "aws",
    "AWS::Region": "eu-west-1",
    "AWS::AccountId": "123456789012",
    "Job": "verger-pears",
    "Scratch": "verger-pears-123456789012",
    "PhotosBucket": "orchard",
    "PhotosPrefix": "photos/",
    "StoreBucket": "results",
    "StorePrefix": "fruits/store/",
    "Within": "",
    "Launch": "lt-0123456789abcdef0",
    "Keeper": "arn:aws:states:eu-west-1:123456789012:stateMachine:verger-pears",
    "ServerRole.Arn": "arn:aws:iam::123456789012:role/server",
    "JobRole.Arn": "arn:aws:iam::123456789012:role/job",
    "Application.Arn": "arn:aws:emr-serverless:eu-west-1:123456789012:/applications/0a1",
    "ServiceRole.Arn": "arn:aws:iam::123456789012:role/service",
    "NodeRole.Arn": "arn:aws:iam::123456789012:role/node",
    "Notify": "arn:aws:sns:eu-west-1:123456789012:ended",
    "KmsKeys": "arn:aws:kms:eu-west-1:123456789012:key/of-the-orchard",
    "Scratch.Arn": "arn:aws:s3:::verger-pears-123456789012",
}
# The conditions that hold for those values.
HOLD = ("HasKeys", "OwnNetwork", "Tells")
TEMPLATES = ("base", "ec2", "emr", "serverless")


def resources(name: str) -> dict[str, Any]:
    """Return the resources of a template."""
    found: dict[str, Any] = loads(template(name))["Resources"]
    return found


def filled(value: Any) -> Any:
    """Fill names in: `Ref`, `Fn::GetAtt` and `Fn::Sub`."""
    if isinstance(value, list):
        return [made for each in value if (made := filled(each)) is not None]
    if not isinstance(value, dict):
        return value
    match value:
        case {"Ref": "AWS::NoValue"}:
            return None
        case {"Ref": name}:
            return NAMES[name]
        case {"Fn::If": [condition, yes, no]}:
            return filled(yes if condition in HOLD else no)
        case {"Fn::GetAtt": [name, attribute]}:
            return NAMES[f"{name}.{attribute}"]
        case {"Fn::Sub": text}:
            return re.sub(r"\$\{([^}]+)\}", lambda found: NAMES[found[1]], text)
    return {key: filled(each) for key, each in value.items()}


def policies() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield template, role and policy of all that is allowed inline."""
    for name in TEMPLATES:
        for logical, resource in resources(name).items():
            for policy in resource.get("Properties", {}).get("Policies", []):
                yield name, logical, filled(policy["PolicyDocument"])


def policy(name: str, role: str) -> dict[str, Any]:
    """Return the policy of one role of a template."""
    return next(found for one, other, found in policies() if (one, other) == (name, role))


def allows(
    policy: Mapping[str, Any], action: str, resource: str, context: Mapping[str, str] | None = None
) -> bool:
    """Say whether a policy allows an action, by AWS's rules, as far as the policies take them."""
    allowed = False
    for statement in policy["Statement"]:
        hit = (
            any(_like(action.lower(), each.lower()) for each in _listed(statement["Action"]))
            and any(_like(resource, each) for each in _listed(statement["Resource"]))
            and _holds(statement.get("Condition", {}), context or {})
        )
        if hit and statement["Effect"] == "Deny":
            return False
        allowed = allowed or hit
    return allowed


def _holds(condition: Mapping[str, Any], context: Mapping[str, str]) -> bool:
    for operator, wanted in condition.items():
        known = ("StringLike", "StringEquals", "ArnEquals", "ForAnyValue:StringEquals")
        may_lack = operator.endswith("IfExists")
        assert operator.removesuffix("IfExists") in known, operator
        for key, patterns in wanted.items():
            if may_lack and key not in context:
                continue
            filled_in = [_variables(each, context) for each in _listed(patterns)]
            if not any(_like(context.get(key, "\0"), each) for each in filled_in):
                return False
    return True


def _variables(pattern: str, context: Mapping[str, str]) -> str:
    """Fill in what a policy leaves to the request, such as `${aws:userid}`."""
    return re.sub(r"\$\{([^}]+)\}", lambda found: context.get(found[1], "\1"), pattern)


def _like(text: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(text, pattern.replace("[", "[[]"))


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]
