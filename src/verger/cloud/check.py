"""What AWS would refuse, found before anything is made or paid for."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any

from verger.cloud import account, places, policy
from verger.cloud.aws import Aws, absent, told
from verger.cloud.job import Job
from verger.cloud.parameters import s3_folder
from verger.cloud.prices import regions
from verger.cloud.regions import IN_THE_EU, check_region
from verger.cloud.sizes import FREE_PLAN
from verger.errors import FAIL, OK, WARN, Check, CloudError, SignInError, StoreError, VergerError
from verger.progress import Reporter

_SERVER, _SERVER_VCPUS, _CLUSTER_VCPUS = "c7i.xlarge", 4, 8
_POLICY = "verger cloud policy BUCKET prints the permissions a user needs."


def prepare(aws: Aws, job: Job, reporter: Reporter) -> Job:
    """Look quickly at what a job will need, before it costs anything; return it with what is found.

    Raises what `check_places` raises, and `CloudError` where the account may not have so many
    processors at once, or such a server, or the region has none.
    """
    places.check_places(aws, job)
    if note := account.check_quota(job, account.vcpu_quota(aws, job.on, spot=job.spot)):
        reporter.say(f"Note: {note}")
    _check_free_plan(job)
    zones = () if job.network else _zones(aws, job)
    keys = job.kms_keys or places.kms_keys(aws, job)
    return dataclasses.replace(job, zones=zones, kms_keys=keys)


def _check_free_plan(job: Job) -> None:
    """Refuse a server that an account on the free plan may not start."""
    may = FREE_PLAN["x86_64"] + FREE_PLAN["arm64"]
    others = [kind for kind in (job.instance_type, *job.other_types) if kind and kind not in may]
    if not others or account.account_plan() != "FREE":
        return
    raise CloudError(
        f"The account is on AWS's free plan, which does not allow {others[0]}.",
        hint=f"It allows {', '.join(may)} (--on ec2). Or Billing, Upgrade plan: credits are kept.",
    )


def _zones(aws: Aws, job: Job) -> tuple[str, ...]:
    """Return the zones that have all types of server that a job takes; none where not known."""
    if job.on == "serverless":
        return ()
    common: set[str] | None = None
    for kind in filter(None, (job.instance_type, job.primary_type)):
        found = account.zones_of(aws, kind)
        if found is None:
            return ()
        common = set(found) if common is None else common & set(found)
    if not common:
        raise CloudError(
            f"No zone of {job.region} offers {job.instance_type}.",
            hint="Give another --instance-type, or another region.",
        )
    return tuple(sorted(common))


def examine(
    aws: Aws,
    photos: str | None,
    store: str | None,
    *,
    outside_eu: bool = False,
    role_prefix: str = "",
) -> Iterator[Check]:
    """Yield one check of the account after another, each as soon as it is known.

    Nothing is made, and nothing costs anything. Raises `SignInError` where nobody is signed in, and
    `NetworkError` where AWS cannot be reached.
    """
    yield Check("identity", OK, f"{_who(aws)}, account {aws.account}.")
    yield _told("region", lambda: _region(aws.region, outside_eu=outside_eu))
    yield _plan()
    yield _servers(aws)
    yield _serverless(aws)
    yield _told("networks", lambda: _networks(aws))
    yield _told("zones", lambda: _in_zones(aws))
    yield _told("budgets", lambda: _budgets(aws), otherwise=WARN)
    buckets = []
    for what, url in (("PHOTOS", photos), ("STORE", store)):
        if url is not None:
            buckets.append(s3_folder(url, StoreError)[0])
            yield _told(what, functools.partial(_bucket, aws, url, outside_eu))
    names = sorted(set(buckets)) or ["verger-check"]
    yield _allowed(aws, policy.user_policy(names, aws.region, role_prefix))


def _told(name: str, look: Callable[[], str], otherwise: str = FAIL) -> Check:
    """Make a check of what a function returns, or raises."""
    try:
        return Check(name, OK, look())
    except (SignInError, KeyboardInterrupt):
        raise
    except VergerError as error:
        return Check(name, otherwise, error.what, error.hint)


def _who(aws: Aws) -> str:
    with told("ask who is signed in"):
        return str(aws.client("sts").get_caller_identity()["Arn"])


def _region(region: str, *, outside_eu: bool) -> str:
    check_region(region, "--region", outside_eu=outside_eu)
    place = f"{IN_THE_EU[region]}, in the EU" if region in IN_THE_EU else "outside the EU"
    priced = "" if region in regions() else " Plans have no prices for it."
    return f"{region} ({place}).{priced}"


def _plan() -> Check:
    plan = account.account_plan()
    if plan == "FREE":
        kinds = ", ".join(FREE_PLAN["x86_64"] + FREE_PLAN["arm64"])
        found = f"free: it allows only the servers {kinds}; plans keep to them."
        return Check("plan", WARN, found, "For others: Billing, Upgrade plan; credits are kept.")
    if plan == "PAID":
        return Check("plan", OK, "paid: every server is allowed.")
    return Check("plan", WARN, "AWS does not say; an older account allows every server.")


def _servers(aws: Aws) -> Check:
    may = account.vcpu_quota(aws, "ec2")
    name = "servers"
    if may is None:
        found = "AWS does not say how many vCPUs you may use at once; a new account often has 5."
        return Check(name, WARN, found, _POLICY)
    found = (
        f"{may:g} vCPUs at once; one {_SERVER} takes {_SERVER_VCPUS}, the smallest cluster "
        f"{_CLUSTER_VCPUS}."
    )
    state = FAIL if may < 2 else WARN if may < _CLUSTER_VCPUS else OK
    more = _more("EC2, Running On-Demand Standard instances")
    return Check(name, state, found, "" if state == OK else more)


def _more(quota: str) -> str:
    return f"Ask for more in the console: Service Quotas, {quota}."


def _serverless(aws: Aws) -> Check:
    may = account.vcpu_quota(aws, "serverless")
    if may is None:
        found = "AWS does not say how many vCPUs you may use at once; a new account often has 16."
        return Check("serverless", WARN, found, _POLICY)
    found = f"{may:g} vCPUs at once; the smallest job takes {_CLUSTER_VCPUS}."
    more = _more("EMR Serverless, Max concurrent vCPUs")
    return Check("serverless", OK if may >= _CLUSTER_VCPUS else FAIL, found, more)


def _networks(aws: Aws) -> str:
    with told("list the networks"):
        there = len(aws.all_of("ec2", "describe_vpcs", "Vpcs[]"))
    may = account.quota(aws, *account.NETWORKS)
    if may is not None and there >= may:
        raise CloudError(
            f"{there} of {may:g} networks (VPCs) are in use, and a job makes one more.",
            hint="Delete one, ask for more in Service Quotas, or give a --subnet of your own.",
        )
    return f"{there} of {may or 5:g} networks (VPCs) are in use; a job makes one more."


def _in_zones(aws: Aws) -> str:
    found = account.zones_of(aws, _SERVER)
    if not found:
        raise CloudError(f"No zone of {aws.region} offers {_SERVER}.", hint="Give another region.")
    return f"{_SERVER} is offered in {', '.join(found)}."


def _budgets(aws: Aws) -> str:
    with told("look at the budgets"), absent("NotFoundException"):
        aws.client("budgets").describe_budget(AccountId=aws.account, BudgetName="verger-check")
    return "a job can set its alarm."


def _bucket(aws: Aws, url: str, outside_eu: bool) -> str:
    job = Job(
        id="verger-check", photos=url, store=url, on="ec2", region=aws.region, outside_eu=outside_eu
    )
    places.check_places(aws, job)
    bucket, _ = s3_folder(url, StoreError)
    keys = places.kms_keys(aws, job)
    how = f"encrypted with {keys[0]}, which jobs may use" if keys else "encrypted by S3"
    return f"{bucket} is in {aws.region}, {how}."


def _allowed(aws: Aws, wanted: dict[str, Any]) -> Check:
    """Ask IAM about each permission that a run will use, where it lets itself be asked."""
    try:
        denied = sorted(_denied(aws, wanted))
    except CloudError as error:
        return Check("allowed", WARN, f"IAM cannot be asked: {error.what}", _POLICY)
    if denied:
        return Check("allowed", FAIL, f"denied: {', '.join(denied)}.", _POLICY)
    return Check("allowed", OK, "everything a run needs.")


def _denied(aws: Aws, wanted: dict[str, Any]) -> Iterator[str]:
    client = aws.client("iam")
    who = _policy_source(aws)
    if not who:
        return  # the account's root user may do everything
    with told("ask what is allowed"):
        for asked in policy.questions(wanted, aws.account):
            entries = [
                {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": kind}
                for key, value in asked.context.items()
                for kind in ["stringList" if key == "aws:CalledVia" else "string"]
            ]
            answer = client.simulate_principal_policy(
                PolicySourceArn=who,
                ActionNames=list(asked.actions),
                ResourceArns=[asked.resource],
                ContextEntries=entries,
            )
            for each in answer["EvaluationResults"]:
                if each["EvalDecision"] != "allowed":
                    yield str(each["EvalActionName"])


def _policy_source(aws: Aws) -> str:
    """Return the user or role that is signed in, as IAM takes it; empty for the account itself."""
    arn = _who(aws)
    if arn.endswith(":root"):
        return ""
    if ":assumed-role/" not in arn:
        return arn
    name = arn.split("/")[1]
    with told("ask for the role that is signed in"), absent("NoSuchEntity"):
        # Those of Identity Center have a path, which the session does not tell.
        return str(aws.client("iam").get_role(RoleName=name)["Role"]["Arn"])
    return f"arn:aws:iam::{aws.account}:role/{name}"
