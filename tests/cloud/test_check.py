"""What AWS would refuse is found before anything is made, and each finding says what to do."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import boto3
import pytest
from click.testing import CliRunner

from verger.cli.main import cli
from verger.cloud import check, policy
from verger.cloud.job import Platform
from verger.cloud.life import Life
from verger.errors import FAIL, OK, WARN, Check, CloudError, RegionError, VergerError

from . import rules
from .policies import allows
from .pretended import REGION, Account, MakeJob, Said
from .refusing import refuse
from .test_life import listen, permitted

PLACES = ("s3://orchard/photos", "s3://results/fruits/store")


@pytest.fixture(autouse=True)
def paid(monkeypatch: pytest.MonkeyPatch) -> None:
    """moto knows nothing of plans of accounts."""
    monkeypatch.setattr("verger.cloud.account.account_plan", lambda: "PAID")


@pytest.fixture
def allowed(life: Life) -> None:
    """IAM is not to be simulated by moto either."""
    simulate(life, policy.user_policy(["orchard", "results"], REGION))


def simulate(life: Life, allowed: dict[str, Any]) -> list[str]:
    """Have IAM answer by AWS's rules of what a policy allows; return what it is asked."""
    client = life.aws.client("iam")
    asked: list[str] = []
    given: dict[str, Any] = {}

    def keep(params: dict[str, Any], **_: object) -> None:
        given.update(params)

    def answer(**_: object) -> Any:
        context = {e["ContextKeyName"]: e["ContextKeyValues"][0] for e in given["ContextEntries"]}
        (resource,) = given["ResourceArns"]
        results = []
        for action in given["ActionNames"]:
            asked.append(action)
            may = allows(allowed, action, resource, context)
            results.append(
                {"EvalActionName": action, "EvalDecision": "allowed" if may else "implicitDeny"}
            )
        return type("Http", (), {"status_code": 200})(), {"EvaluationResults": results}

    client.meta.events.register("before-parameter-build.iam.SimulatePrincipalPolicy", keep)
    client.meta.events.register_first("before-call.iam.SimulatePrincipalPolicy", answer)
    return asked


def encrypt(account: Account, key: str) -> None:
    """Have a bucket encrypt with a key."""
    rule = {
        "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    }
    account.client("s3").put_bucket_encryption(
        Bucket="orchard", ServerSideEncryptionConfiguration={"Rules": [rule]}
    )


def checks(life: Life, *places: str) -> dict[str, Check]:
    photos, store = places or (None, None)
    return {one.name: one for one in check.examine(life.aws, photos, store)}


def test_an_account_that_is_an_hour_old(life: Life) -> None:
    """What it has is said: five processors, no alarm yet; nothing is made."""
    simulate(life, policy.user_policy(["orchard", "results"], REGION))
    refuse(life, "budgets", "DescribeBudget", "AccessDeniedException", "Not enabled yet")

    found = checks(life, *PLACES)

    assert {name: one.state for name, one in found.items()} == {
        "identity": OK, "region": OK, "plan": OK, "servers": WARN, "serverless": OK,
        "networks": OK, "zones": OK, "budgets": WARN, "PHOTOS": OK, "STORE": OK, "allowed": OK,
    }  # fmt: skip
    assert "5 vCPUs at once" in found["servers"].found
    assert "Service Quotas" in found["servers"].remedy
    assert "Ireland, in the EU" in found["region"].found
    assert "orchard is in eu-west-1, encrypted by S3" in found["PHOTOS"].found
    for one in found.values():
        assert "\n" not in str(one)
        assert one.state == OK or one.remedy or one.name in ("budgets", "plan")


def test_each_permission_that_a_run_uses_is_asked_about(life: Life) -> None:
    allowed = policy.user_policy(["orchard", "results"], REGION)
    asked = simulate(life, allowed)

    assert checks(life)["allowed"].state == OK

    assert {"iam:PassRole", "ec2:TerminateInstances", "s3:CreateBucket"} <= set(asked)
    every = {a for s in allowed["Statement"] for a in ([s["Action"]] if isinstance(s["Action"], str)
             else s["Action"])}  # fmt: skip
    own = {"ssm:ResumeSession", "ssm:TerminateSession"}  # a session that is not there yet
    assert {action for action in every if "*" not in action} - own <= set(asked)


@pytest.mark.parametrize("on", ["ec2", "emr", "serverless"])
def test_all_that_is_looked_at_is_in_the_policy(
    on: Platform, life: Life, account: Account, job: MakeJob, said: Said
) -> None:
    key = account.client("kms").create_key()["KeyMetadata"]["Arn"]
    encrypt(account, key)
    rules.quotas.update({key: (name, 99.0) for key, (name, _) in rules.quotas.items()})
    asked = listen(life)
    simulate(life, policy.user_policy(["orchard", "results"], REGION))

    checks(life, *PLACES)
    check.prepare(life.aws, job(on), said)

    assert {"kms:DescribeKey", "s3:GetEncryptionConfiguration"} <= asked
    assert {action for action in asked if not permitted(action)} == set()


def test_roles_are_asked_about_by_the_names_that_they_will_have(life: Life) -> None:
    simulate(life, policy.user_policy(["orchard"], REGION, "app-"))

    def found(prefix: str) -> Check:
        return list(check.examine(life.aws, None, None, role_prefix=prefix))[-1]

    assert found("app-").state == OK
    assert found("").state == FAIL
    assert "iam:CreateRole" in found("").found


@pytest.mark.parametrize("sid", ["Scratch", "RolesOfJobs", "EndOnlyWhatIsAJobs", "Fences"])
def test_what_is_denied_is_named(sid: str, life: Life) -> None:
    allowed = policy.user_policy(["orchard", "results"], REGION)
    (gone,) = [each for each in allowed["Statement"] if each["Sid"] == sid]
    allowed["Statement"].remove(gone)
    simulate(life, allowed)

    found = checks(life)["allowed"]

    assert found.state == FAIL
    assert "denied: " in found.found
    assert "verger cloud policy" in found.remedy


def test_where_iam_may_not_be_asked_that_is_a_warning(life: Life) -> None:
    refuse(life, "iam", "SimulatePrincipalPolicy", "AccessDenied", "not authorized")

    found = checks(life)["allowed"]

    assert found.state == WARN
    assert "IAM cannot be asked" in found.found


@pytest.mark.usefixtures("allowed")
def test_places_outside_of_the_eu_are_a_failure(life: Life, account: Account) -> None:
    for name, region in (("virginia", "us-east-1"), ("paris", "eu-west-3")):
        place = {} if region == "us-east-1" else {
            "CreateBucketConfiguration": {"LocationConstraint": region}
        }  # fmt: skip
        boto3.client("s3", region_name=region).create_bucket(Bucket=name, **place)

    found = checks(life, "s3://virginia/photos", "s3://paris/store")

    assert found["PHOTOS"].state == FAIL
    assert "virginia is in us-east-1, which is not in the EU" in found["PHOTOS"].found
    assert "--outside-eu" in found["PHOTOS"].remedy
    assert "paris is in eu-west-3, not in eu-west-1" in found["STORE"].found


@pytest.mark.usefixtures("allowed")
def test_networks_are_counted(life: Life, account: Account) -> None:
    for number in range(4):  # beside the default one
        account.client("ec2").create_vpc(CidrBlock=f"10.{number}.0.0/16")

    found = checks(life)["networks"]

    assert found.state == FAIL
    assert "5 of 5 networks" in found.found
    assert "--subnet" in found.remedy


@pytest.mark.parametrize(
    ("on", "quota", "takes"), [("ec2", 3.0, 4), ("emr", 11.0, 12), ("serverless", 11.0, 12)]
)
def test_a_job_that_takes_more_than_the_account_may_is_refused(
    on: Platform, quota: float, takes: int, life: Life, job: MakeJob, said: Said
) -> None:
    """Of a cluster what leads is counted as well."""
    for key, (name, _) in rules.NEW_ACCOUNT.items():
        rules.quotas[key] = (name, quota)

    with pytest.raises(CloudError, match=f"takes {takes} vCPUs at once") as told:
        check.prepare(life.aws, job(on), said)

    assert f"may use {quota:g}" in str(told.value)
    assert "Service Quotas" in told.value.hint
    rules.quotas.update({key: (name, float(takes)) for key, (name, _) in rules.quotas.items()})
    assert check.prepare(life.aws, job(on), said).on == on


def test_where_quotas_may_not_be_asked_that_is_said(life: Life, job: MakeJob, said: Said) -> None:
    for call in ("GetServiceQuota", "GetAWSDefaultServiceQuota", "ListServiceQuotas"):
        refuse(life, "service-quotas", call, "AccessDeniedException", "no")

    check.prepare(life.aws, job("emr"), said)

    assert any("AWS does not say how many" in line for line in said.lines)


def test_what_the_free_plan_does_not_start_is_refused(
    life: Life, job: MakeJob, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("verger.cloud.account.account_plan", lambda: "FREE")

    with pytest.raises(CloudError, match=r"free plan, which does not allow c7i\.xlarge") as told:
        check.prepare(life.aws, job("ec2"), said)

    assert "c7i-flex.large" in told.value.hint
    free = dataclasses.replace(job("ec2"), instance_type="c7i-flex.large")
    assert check.prepare(life.aws, free, said).zones
    then = dataclasses.replace(free, other_types=("m7i.large",))
    with pytest.raises(CloudError, match=r"does not allow m7i\.large"):
        check.prepare(life.aws, then, said)


def test_a_type_of_server_that_no_zone_has_is_refused(life: Life, job: MakeJob, said: Said) -> None:
    with pytest.raises(CloudError, match="No zone of eu-west-1 offers m5"):
        check.prepare(
            life.aws,
            dataclasses.replace(job("ec2"), instance_type="m5.xlarge", primary_type="p99.xlarge"),
            said,
        )


@pytest.mark.usefixtures("allowed")
def test_a_bucket_with_a_key_of_the_customer_s_is_noticed(
    life: Life, account: Account, job: MakeJob, said: Said
) -> None:
    key = account.client("kms").create_key()["KeyMetadata"]["Arn"]
    encrypt(account, key)

    assert check.prepare(life.aws, job("serverless"), said).kms_keys == (key,)
    assert key in checks(life, *PLACES)["PHOTOS"].found
    refuse(life, "s3", "GetBucketEncryption", "AccessDenied", "no")
    assert check.prepare(life.aws, job("serverless"), said).kms_keys == ()


def test_the_command_tells_and_ends_with_its_code(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "_allowed", lambda *_: Check("allowed", OK, "all."))
    told = CliRunner().invoke(cli, ["cloud", "check", *PLACES], standalone_mode=False)
    assert "OK   identity" in told.output
    assert told.return_value == 0
    as_json = CliRunner().invoke(
        cli, ["cloud", "check", "--json", "--region", "eu-west-2"], standalone_mode=False
    )
    assert {one["name"]: one["state"] for one in json.loads(as_json.stdout)}["region"] == FAIL
    assert as_json.return_value == 9


def test_the_policy_is_printed_for_one_s_buckets() -> None:
    told = CliRunner().invoke(cli, ["cloud", "policy", "pears", "store", "--region", "eu-west-3"])

    made = json.loads(told.output)

    assert allows(made, "s3:GetObject", "arn:aws:s3:::pears/photos/1.jpg")
    assert allows(made, "s3:ListBucket", "arn:aws:s3:::store")
    assert "MY-BUCKET" not in told.output
    assert "eu-west-1" not in told.output


def test_a_run_outside_of_the_eu_is_refused_by_its_own_code() -> None:
    asked = ["--photos-count", "9", "s3://orchard/photos", "s3://results/store"]
    refused = CliRunner().invoke(cli, ["cloud", "show", *asked, "--region", "us-east-1"])
    assert isinstance(refused.exception, VergerError)
    assert isinstance(refused.exception, RegionError)
    assert refused.exception.exit_code == 13
    asked += ["--region", "us-east-1", "--outside-eu"]
    assert CliRunner().invoke(cli, ["cloud", "show", *asked]).exit_code == 0
