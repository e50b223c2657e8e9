"""What a person has to be allowed who runs `verger cloud`: a policy, and what it comes to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import resources
from typing import Any, NamedTuple

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html: "You can't exceed
# 6,144 characters"; "IAM doesn't count white space when calculating the size of a policy".
LONGEST = 6144
"""Characters that a managed policy may have."""
_NAMED_BY_PREFIX = ("role", "instance-profile")
_BUCKET, _REGION = "MY-BUCKET", "eu-west-1"
# What stands for all that a pattern of the policy means, where AWS is asked about one of them.
_ONE = {"verger-*": "verger-check", "photos/*": "photos/1.jpg", "*.log": "store.log"}
_OF_EACH = {"ec2:Describe*": "ec2:DescribeInstances",
            "elasticmapreduce:Describe*": "elasticmapreduce:DescribeCluster",
            "elasticmapreduce:List*": "elasticmapreduce:ListClusters",
            "cloudformation:DescribeStack*": "cloudformation:DescribeStacks",
            "ec2:Delete*": "ec2:DeleteVpc",
            "emr-serverless:List*": "emr-serverless:ListApplications",
            "iam:Get*": "iam:GetRole",
            "iam:List*": "iam:ListRolePolicies",
            "servicequotas:Get*": "servicequotas:GetServiceQuota",
            "states:Describe*": "states:DescribeExecution",
            "s3:*": "s3:CreateBucket"}  # fmt: skip


class Question(NamedTuple):
    """What IAM is asked: whether these actions may be done to a resource, in a context."""

    actions: tuple[str, ...]
    resource: str
    context: dict[str, str]


def template() -> dict[str, Any]:
    """Return the policy of the package, with a name for the bucket that nobody's has."""
    text = (resources.files("verger.cloud") / "user-policy.json").read_text(encoding="utf-8")
    policy: dict[str, Any] = json.loads(text)
    return policy


def user_policies(buckets: list[str], region: str, role_prefix: str = "") -> list[dict[str, Any]]:
    """Return the policy for a user of these buckets, in one region; several, where one is too long.

    The first has all that is not of a bucket, and each as many buckets as it holds. With a
    `role_prefix` the roles of jobs are those whose names begin with it.
    """
    shares: list[list[str]] = [[]]
    for bucket in buckets:
        tried = _share(shares, [*shares[-1], bucket], region, role_prefix)
        if characters(tried) <= LONGEST:
            shares[-1].append(bucket)
        else:
            shares.append([bucket])
    return [
        _share(shares[:number], share, region, role_prefix)
        for number, share in enumerate(shares, 1)
    ]


def _share(
    shares: list[list[str]], buckets: list[str], region: str, role_prefix: str
) -> dict[str, Any]:
    """Return the policy of the last of these shares, with the buckets that it is to have."""
    policy = user_policy(buckets, region, role_prefix)
    if len(shares) > 1:
        mine = [one for one in template()["Statement"] if _BUCKET in json.dumps(one["Resource"])]
        names = {one["Sid"] for one in mine}
        policy["Statement"] = [one for one in policy["Statement"] if one["Sid"] in names]
    return policy


def characters(policy: dict[str, Any]) -> int:
    """Return the size of a policy as IAM counts it: all but white space."""
    return len(json.dumps(policy, separators=(",", ":")))


def user_policy(buckets: list[str], region: str, role_prefix: str = "") -> dict[str, Any]:
    """Return all that a user of these buckets has to be allowed, in one region, however long."""
    policy = template()
    for statement in policy["Statement"]:
        named = statement["Resource"] if isinstance(statement["Resource"], list) else []
        named = named or [statement["Resource"]]
        filled = [
            one.replace(_BUCKET, bucket)
            for one in named
            for bucket in (buckets if _BUCKET in one else buckets[:1])
        ]
        statement["Resource"] = filled if len(filled) > 1 else filled[0]
    text = json.dumps(policy).replace(f'"{_REGION}"', json.dumps(region))
    for kind in _NAMED_BY_PREFIX:
        text = text.replace(f":{kind}/verger-", f":{kind}/{role_prefix}verger-")
    filled_in: dict[str, Any] = json.loads(text)
    return filled_in


def questions(policy: dict[str, Any], account: str) -> Iterator[Question]:
    """Yield what IAM is to be asked, so that all that a policy allows is asked about."""
    for statement in policy["Statement"]:
        if "${" in json.dumps(statement.get("Condition", {})):
            continue  # what only a request of one's own has
        actions = statement["Action"]
        actions = [actions] if isinstance(actions, str) else actions
        named = statement["Resource"]
        context = {
            key: _one(values[0] if isinstance(values, list) else values)
            for condition in statement.get("Condition", {}).values()
            for key, values in condition.items()
        }
        yield Question(
            tuple(_OF_EACH.get(action, action) for action in actions),
            _one((named if isinstance(named, str) else named[0]).replace("::*:", f"::{account}:")),
            context,
        )


def _one(pattern: str) -> str:
    for end, instead in _ONE.items():
        if pattern.endswith(end):
            return pattern.removesuffix(end) + instead
    return pattern
