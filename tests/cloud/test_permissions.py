"""What each role may do: what recorded runs ask of S3, and nothing else.

calls.json is what record_calls.py wrote down of real runs against a real S3 server. Policies are
looked at twice: by AWS's rules with their conditions (policies.py), and by moto's authorisation,
which does not know conditions but refuses real calls.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import boto3
import parliament
import pytest
from botocore.exceptions import ClientError
from moto.core import set_initial_no_auth_action_count

from verger.cloud.job import Platform
from verger.cloud.life import Life

from .policies import NAMES, allows, policies, policy
from .pretended import REGION, SCRATCH, Account, MakeJob

CALLS: list[str] = json.loads((Path(__file__).parent / "calls.json").read_text(encoding="utf-8"))
ROLES = {"ec2": "ServerRole", "emr": "NodeRole", "serverless": "JobRole"}
# What the scripts and entry.py do in the scratch bucket, which no run knows of.
SCRATCH_CALLS = [
    ("s3:ListBucket", ""),
    ("s3:GetObject", "/wheels/verger.whl"),
    ("s3:GetObject", "/archive/verger-env.tar.gz"),
    ("s3:GetObject", "/scripts/job.sh"),
    ("s3:PutObject", "/logs/progress.log"),
    ("s3:PutObject", "/result.json"),
]


def asked(request: str) -> tuple[str, str, dict[str, str]]:
    """Return action, resource and context of a request, as S3 asks IAM about it."""
    method, _, target = request.partition(" ")
    split = urlsplit(target)
    bucket, _, key = unquote(split.path).lstrip("/").partition("/")
    query = {name: values[0] for name, values in parse_qs(split.query, True).items()}
    arn = f"arn:aws:s3:::{bucket}"
    if not key:
        if "uploads" in query:
            return "s3:ListBucketMultipartUploads", arn, {}
        if method == "POST" and "delete" in query:  # the keys are in its body: all the STORE's
            return "s3:DeleteObject", f"{arn}/fruits/store/x", {}
        assert method in ("GET", "HEAD"), request
        return "s3:ListBucket", arn, {"s3:prefix": query["prefix"]} if "prefix" in query else {}
    if method in ("GET", "HEAD"):
        action = "s3:ListMultipartUploadParts" if "uploadId" in query else "s3:GetObject"
    elif method == "DELETE":
        action = "s3:AbortMultipartUpload" if "uploadId" in query else "s3:DeleteObject"
    else:
        action = "s3:PutObject"
    return action, f"{arn}/{key}", {}


def test_the_recorded_runs_did_all_that_a_run_does() -> None:
    """Guards against a record of nothing."""
    actions = {asked(call)[0] for call in CALLS}

    assert {"s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject"} <= actions
    assert any("/orchard/photos/photo.jpg" in call for call in CALLS)
    assert any("matrix" in call for call in CALLS)


@pytest.mark.parametrize("on", ROLES)
def test_a_role_may_do_what_a_recorded_run_does(on: str) -> None:
    allowed = policy(on, ROLES[on])

    refused = [call for call in CALLS if not allows(allowed, *asked(call))]

    assert refused == []
    # Of an object that is not there, S3 says so to who may list its name, and 403 to others; it
    # asks IAM with the name as `s3:prefix` (as Ceph found, which follows suit: ceph/ceph#68577).
    for call in CALLS:
        action, resource, _ = asked(call)
        if action == "s3:GetObject":
            arn, _, key = resource.partition("/")
            assert allows(allowed, "s3:ListBucket", arn, {"s3:prefix": key}), call
    bucket = f"arn:aws:s3:::{NAMES['Scratch']}"
    for action, key in SCRATCH_CALLS:
        assert allows(allowed, action, bucket + key), (action, key)


@pytest.mark.parametrize("on", ROLES)
def test_a_role_may_do_nothing_that_no_run_does(on: str) -> None:
    """Every action that is allowed was recorded, or is named here with its reason."""
    recorded = {asked(call)[0] for call in CALLS} | {action for action, _ in SCRATCH_CALLS}
    # An upload in parts is ended where one of them fails.
    after_a_failure = {"s3:AbortMultipartUpload"}
    # S3 asks for them where the bucket encrypts with a key of the customer's.
    of_keys = {"kms:Decrypt", "kms:GenerateDataKey"}
    session = {
        "ssm:UpdateInstanceInformation",
        "ssmmessages:CreateControlChannel",
        "ssmmessages:CreateDataChannel",
        "ssmmessages:OpenControlChannel",
        "ssmmessages:OpenDataChannel",
    }

    named: set[str] = set()
    for statement in policy(on, ROLES[on])["Statement"]:
        action = statement["Action"]
        named |= set(action if isinstance(action, list) else [action])

    news = {"sns:Publish"} - ({"sns:Publish"} if on == "serverless" else set())
    assert named - recorded - after_a_failure - of_keys - session - news == set()


@pytest.mark.parametrize("on", ROLES)
def test_a_role_may_use_the_keys_of_its_buckets_through_s3_alone(on: str) -> None:
    allowed = policy(on, ROLES[on])
    key = NAMES["KmsKeys"]
    by_s3 = {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}

    assert allows(allowed, "kms:Decrypt", key, by_s3)
    assert allows(allowed, "kms:GenerateDataKey", key, by_s3)
    assert not allows(allowed, "kms:Decrypt", key)
    assert not allows(allowed, "kms:Decrypt", key + "-not", by_s3)
    assert not allows(allowed, "kms:ScheduleKeyDeletion", key, by_s3)


def test_each_role_can_be_bounded() -> None:
    from .policies import resources

    for name, role, _ in policies():
        bound = resources(name)[role]["Properties"]["PermissionsBoundary"]
        assert bound == {"Fn::If": ["HasBoundary", {"Ref": "Boundary"}, {"Ref": "AWS::NoValue"}]}


DENIED = [
    ("s3:GetObject", "arn:aws:s3:::orchard/photos-private/x.jpg", {}),
    ("s3:GetObject", "arn:aws:s3:::orchard/secret", {}),
    ("s3:PutObject", "arn:aws:s3:::orchard/photos/x.jpg", {}),
    ("s3:DeleteObject", "arn:aws:s3:::orchard/photos/x.jpg", {}),
    ("s3:ListBucket", "arn:aws:s3:::orchard", {}),
    ("s3:ListBucket", "arn:aws:s3:::orchard", {"s3:prefix": ""}),
    ("s3:ListBucket", "arn:aws:s3:::orchard", {"s3:prefix": "photo"}),
    ("s3:PutObject", "arn:aws:s3:::results/fruits/store2/x", {}),
    ("s3:GetObject", "arn:aws:s3:::results/other/x", {}),
    ("s3:ListBucket", "arn:aws:s3:::results", {"s3:prefix": "other/"}),
    ("s3:PutObject", "arn:aws:s3:::verger-pears-123456789012/scripts/job.sh", {}),
    ("s3:PutObject", "arn:aws:s3:::verger-pears-123456789012/wheels/verger.whl", {}),
    ("s3:DeleteObject", "arn:aws:s3:::verger-pears-123456789012/logs/x", {}),
    ("s3:GetObject", "arn:aws:s3:::verger-apples-123456789012/job.json", {}),
    ("s3:DeleteBucket", "arn:aws:s3:::results", {}),
    ("s3:PutBucketPolicy", "arn:aws:s3:::results", {}),
    ("s3:ListAllMyBuckets", "*", {}),
    ("iam:PassRole", "arn:aws:iam::123456789012:role/node", {}),
    ("sts:AssumeRole", "arn:aws:iam::123456789012:role/any", {}),
    ("ec2:RunInstances", "*", {}),
    ("ec2:TerminateInstances", "arn:aws:ec2:eu-west-1:123456789012:instance/i-1", {}),
    ("ssm:GetParameter", "arn:aws:ssm:eu-west-1:123456789012:parameter/secret", {}),
    ("ssm:StartSession", "arn:aws:ec2:eu-west-1:123456789012:instance/i-1", {}),
]


@pytest.mark.parametrize("on", ROLES)
def test_a_role_is_denied_all_else(on: str) -> None:
    allowed = policy(on, ROLES[on])

    assert [each for each in DENIED if allows(allowed, *each)] == []


def test_conditions_are_on_keys_that_aws_has_for_the_resource() -> None:
    """A key that a request lacks is a condition that never holds, and denies it all."""
    kinds = {
        (each["prefix"], kind["resource"]): kind
        for each in parliament.iam_definition
        for kind in each["resources"]
    }
    seen = 0
    for name, role, allowed in policies():
        for statement in allowed["Statement"]:
            for service, key in _keys(statement):
                for resource in _listed(statement["Resource"]):
                    kind = re.split("[/:]", resource.split(":", 5)[-1])[0]
                    if (service, kind) in kinds:
                        seen += 1
                        known = kinds[service, kind]["condition_keys"]
                        assert key in [_plain(each) for each in known], (name, role, resource, key)
    assert seen > 5


def _keys(statement: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield service and key of the conditions on a resource, or on what a service knows of it."""
    services = {action.split(":")[0] for action in _listed(statement["Action"])}
    for keys in statement.get("Condition", {}).values():
        for key in keys:
            if key.startswith(("aws:ResourceTag/", "ec2:LaunchTemplate")):
                yield from ((service, key.split("/")[0]) for service in services)


def _plain(key: str) -> str:
    return key.split("/")[0]


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def test_a_keeper_asks_for_spot_servers_of_its_template_alone() -> None:
    """Its request for one knows no template; all else that such a server takes does."""
    allowed = policy("ec2", "KeeperRole")
    arn = "arn:aws:ec2:eu-west-1:123456789012"

    assert allows(allowed, "ec2:RunInstances", f"{arn}:spot-instances-request/sir-1")
    assert not allows(allowed, "ec2:RunInstances", f"{arn}:instance/i-1")


def test_a_keeper_makes_and_ends_clusters_of_its_job_and_no_other() -> None:
    allowed = policy("emr", "KeeperRole")
    cluster = "arn:aws:elasticmapreduce:eu-west-1:123456789012:cluster/j-1"
    for action, key, resource in (
        ("RunJobFlow", "aws:RequestTag/verger:job", "*"),
        ("AddTags", "aws:RequestTag/verger:job", cluster),
        ("DescribeCluster", "aws:ResourceTag/verger:job", cluster),
        ("TerminateJobFlows", "aws:ResourceTag/verger:job", cluster),
    ):
        asked = f"elasticmapreduce:{action}"
        assert allows(allowed, asked, resource, {key: "verger-pears"})
        assert not allows(allowed, asked, resource, {key: "verger-apples"})
        assert not allows(allowed, asked, resource)
    idle, tag = "elasticmapreduce:PutAutoTerminationPolicy", "aws:ResourceTag/verger:job"
    assert allows(allowed, idle, cluster)
    assert allows(allowed, idle, cluster, {tag: "verger-pears"})
    assert not allows(allowed, idle, cluster, {tag: "verger-apples"})


def test_a_keeper_starts_servers_of_its_template_and_ends_those_of_its_job() -> None:
    allowed = policy("ec2", "KeeperRole")
    arn = "arn:aws:ec2:eu-west-1:123456789012"
    own = {"ec2:LaunchTemplate": f"{arn}:launch-template/lt-0123456789abcdef0"}
    other = {"ec2:LaunchTemplate": f"{arn}:launch-template/lt-00000000000000000"}
    for kind in ("instance/i-1", "volume/vol-1", "subnet/subnet-1", "network-interface/eni-1"):
        assert allows(allowed, "ec2:RunInstances", f"{arn}:{kind}", own)
        assert not allows(allowed, "ec2:RunInstances", f"{arn}:{kind}", other)
        assert not allows(allowed, "ec2:RunInstances", f"{arn}:{kind}")
    assert allows(
        allowed, "ec2:CreateTags", f"{arn}:instance/i-1", {"ec2:CreateAction": "RunInstances"}
    )
    assert not allows(allowed, "ec2:CreateTags", f"{arn}:instance/i-1")
    tag = "aws:ResourceTag/verger:job"
    assert allows(allowed, "ec2:TerminateInstances", f"{arn}:instance/i-1", {tag: "verger-pears"})
    assert not allows(allowed, "ec2:TerminateInstances", f"{arn}:instance/i-1", {tag: "verger-x"})


@pytest.mark.parametrize(
    ("on", "service", "role"),
    [
        ("ec2", "ec2", "ServerRole"),
        ("emr", "ec2", "NodeRole"),
        ("emr", "elasticmapreduce", "ServiceRole"),
        ("serverless", "emr-serverless", "JobRole"),
    ],
)
def test_a_keeper_hands_a_role_to_the_service_that_it_is_for(
    on: str, service: str, role: str
) -> None:
    allowed = policy(on, "KeeperRole")
    to = {"iam:PassedToService": f"{service}.amazonaws.com"}

    assert allows(allowed, "iam:PassRole", NAMES[f"{role}.Arn"], to)
    assert not allows(allowed, "iam:PassRole", NAMES[f"{role}.Arn"], {"iam:PassedToService": "x"})
    assert not allows(allowed, "iam:PassRole", "arn:aws:iam::123456789012:role/admin", to)
    begins = policy(on, "StartRole")["Statement"]
    assert [(each["Action"], each["Resource"]) for each in begins] == [
        ("states:StartExecution", NAMES["Keeper"])
    ]


@pytest.mark.parametrize(("on", "services"), [
    ("ec2", {"ec2": {"RunInstances", "CreateTags", "DescribeInstances", "TerminateInstances"}}),
    ("emr", {"elasticmapreduce": {"RunJobFlow", "AddTags", "PutAutoTerminationPolicy",
                                  "DescribeCluster", "TerminateJobFlows"}}),
    ("serverless", {"emr-serverless": {"StartJobRun", "CancelJobRun", "TagResource"}}),
])  # fmt: skip
def test_a_keeper_may_do_nothing_else(on: str, services: dict[str, set[str]]) -> None:
    allowed = policy(on, "KeeperRole")
    asked = [each["Action"] for each in allowed["Statement"]]
    actions = {one for each in asked for one in ([each] if isinstance(each, str) else each)}
    iam = {"iam:PassRole"} | ({"iam:CreateServiceLinkedRole"} if on != "serverless" else set())
    own = {f"{service}:{name}" for service, names in services.items() for name in names}

    assert actions == own | iam
    assert [each for each in DENIED if allows(allowed, *each)] == []


def test_emr_may_hand_on_one_role_and_to_servers_only() -> None:
    allowed = policy("emr", "ServiceRole")
    node = NAMES["NodeRole.Arn"]
    ec2 = {"iam:PassedToService": "ec2.amazonaws.com"}

    assert allows(allowed, "iam:PassRole", node, ec2)
    assert not allows(
        allowed, "iam:PassRole", node, {"iam:PassedToService": "lambda.amazonaws.com"}
    )
    assert not allows(allowed, "iam:PassRole", "arn:aws:iam::123456789012:role/admin", ec2)


@pytest.mark.parametrize(("on", "role"), [("ec2", "KeeperRole"), ("emr", "ServiceRole")])
def test_the_first_spot_server_of_an_account_may_be_asked_for(on: str, role: str) -> None:
    """AWS makes a role of its own for it, in the name of who asks: of a cluster, EMR."""
    allowed, arn = policy(on, role), "arn:aws:iam::123456789012:role/aws-service-role"
    spot = {"iam:AWSServiceName": "spot.amazonaws.com"}

    assert allows(allowed, "iam:CreateServiceLinkedRole", f"{arn}/spot.amazonaws.com/Spot", spot)
    assert not allows(allowed, "iam:CreateServiceLinkedRole", f"{arn}/eks.amazonaws.com/x", spot)


def test_only_the_service_itself_may_take_a_role() -> None:
    takers = {
        "ServerRole": "ec2.amazonaws.com",
        "NodeRole": "ec2.amazonaws.com",
        "JobRole": "emr-serverless.amazonaws.com",
        "ServiceRole": "elasticmapreduce.amazonaws.com",
        "KeeperRole": "states.amazonaws.com",
        "StartRole": "scheduler.amazonaws.com",
    }
    from .policies import resources

    seen = set()
    for name, role, _ in policies():
        (statement,) = resources(name)[role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Principal"] == {"Service": takers[role]}
        if takers[role] != "ec2.amazonaws.com":  # which knows no such condition
            assert statement["Condition"]["StringEquals"] == {
                "aws:SourceAccount": {"Ref": "AWS::AccountId"}
            }
        seen.add(role)
    assert seen == set(takers)


class Signed:
    """Clients that are signed in as a role, with moto's authorisation on."""

    def __init__(self, credentials: dict[str, Any]) -> None:
        self._keys = {
            "aws_access_key_id": credentials["AccessKeyId"],
            "aws_secret_access_key": credentials["SecretAccessKey"],
            "aws_session_token": credentials["SessionToken"],
        }

    def may(self, service: str, call: str, **given: Any) -> bool:
        """Make a call; say whether it was permitted."""
        client = boto3.client(service, region_name=REGION, **self._keys)
        code = ""
        try:
            set_initial_no_auth_action_count(0)(getattr(client, call))(**given)
        except ClientError as error:
            code = error.response["Error"]["Code"]
        assert code in ("", "AccessDenied", "UnauthorizedOperation", "403")
        return not code


@pytest.fixture
def signed(
    account: Account, life: Life, job: MakeJob, files: dict[str, Path],
    request: pytest.FixtureRequest,
) -> Signed:  # fmt: skip
    """Be signed in as the role of a job's server."""
    on: Platform = request.param
    life.start(job(on), files, budget_usd=1.0)
    account.put("orchard", "photos/a.jpg", b"photo")
    account.put("orchard", "other/a.jpg", b"photo")
    (role,) = [
        each
        for each in account.client("iam").list_roles()["Roles"]
        if re.search(rf"-{ROLES[on]}-", each["RoleName"])
    ]
    account.keep_policies(role["RoleName"])
    taken = account.client("sts").assume_role(RoleArn=role["Arn"], RoleSessionName="job")
    return Signed(taken["Credentials"])


@pytest.mark.parametrize("signed", list(ROLES), indirect=True)
def test_moto_permits_what_a_job_does_and_refuses_what_it_does_not(signed: Signed) -> None:
    may = signed.may
    store, body = "fruits/store", b"x"

    assert may("s3", "get_object", Bucket="orchard", Key="photos/a.jpg")
    assert may("s3", "list_objects_v2", Bucket="orchard", Prefix="photos/")
    assert may("s3", "put_object", Bucket="results", Key=f"{store}/run.json", Body=body)
    assert may("s3", "get_object", Bucket="results", Key=f"{store}/run.json")
    assert may("s3", "delete_object", Bucket="results", Key=f"{store}/run.json")
    assert may("s3", "get_object", Bucket=SCRATCH, Key="job.json")
    assert may("s3", "put_object", Bucket=SCRATCH, Key="result.json", Body=body)
    assert may("s3", "put_object", Bucket=SCRATCH, Key="logs/progress.log", Body=body)

    assert not may("s3", "get_object", Bucket="orchard", Key="other/a.jpg")
    assert not may("s3", "put_object", Bucket="orchard", Key="photos/b.jpg", Body=body)
    assert not may("s3", "delete_object", Bucket="orchard", Key="photos/a.jpg")
    assert not may("s3", "put_object", Bucket="results", Key="other/x", Body=body)
    assert not may("s3", "put_object", Bucket=SCRATCH, Key="scripts/job.sh", Body=body)
    assert not may("s3", "delete_object", Bucket=SCRATCH, Key="job.json")
    assert not may("s3", "list_buckets")
    assert not may("s3", "delete_bucket", Bucket="results")
    assert not may("ec2", "describe_instances")
    assert not may("iam", "list_roles")
    assert not may("emr", "list_clusters")
