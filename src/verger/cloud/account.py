"""The account that is signed in: its plan, what it may have at once, and which zones have what."""

from __future__ import annotations

from verger.cloud.aws import Aws, absent, told
from verger.cloud.job import Job, Platform
from verger.cloud.prices import vcpus
from verger.errors import CloudError, VergerError

# AWS answers for all regions in one.
_TOLD_IN = "us-east-1"
# Service Quotas, by code: vCPU of on-demand and of spot servers of the families A to Z that a plan
# chooses among, and networks in a region.
# https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-quotas.html
_ON_DEMAND, _SPOT = ("ec2", "L-1216C47A"), ("ec2", "L-34B43A08")
NETWORKS = ("vpc", "L-F678F1CE")
NEW_ACCOUNT_VCPUS: dict[Platform, int] = {"ec2": 5, "emr": 5, "serverless": 16}
"""What a new account may have at once, often; it differs."""


def is_on_the_free_plan() -> bool:
    """Say whether the account is on the free plan; where AWS does not say, it is not."""
    return account_plan() == "FREE"


def account_plan() -> str:
    """Return the plan of the account, `FREE` or `PAID`; empty where AWS does not say.

    Accounts that are older than the plans, and those who may not ask, get an error for an answer.
    """
    try:
        with told("ask for the plan of the account"):
            state = Aws(_TOLD_IN, quick=True).client("freetier").get_account_plan_state()
    except VergerError:
        return ""
    is_active = state["accountPlanStatus"] == "ACTIVE"
    return str(state["accountPlanType"]) if is_active else "PAID"


def vcpu_quota(aws: Aws, on: Platform, *, spot: bool = False) -> float | None:
    """Return how many vCPU the account may have at once; None where AWS does not say."""
    if on == "serverless":
        return _serverless_quota(aws)
    return quota(aws, *(_SPOT if spot else _ON_DEMAND))


def quota(aws: Aws, service: str, code: str) -> float | None:
    """Return one quota, as it is applied or as AWS has it for all; None where it does not say."""
    client = aws.client("service-quotas")
    for ask in (client.get_service_quota, client.get_aws_default_service_quota):
        try:
            with told("ask for the quotas"), absent("NoSuchResourceException"):
                return float(ask(ServiceCode=service, QuotaCode=code)["Quota"]["Value"])
        except CloudError:
            continue
    return None


def _serverless_quota(aws: Aws) -> float | None:
    try:
        with told("ask for the quotas"), absent("NoSuchResourceException"):
            found = aws.all_of(
                "service-quotas", "list_service_quotas", "Quotas[]", ServiceCode="emr-serverless"
            )
            return next((float(q["Value"]) for q in found if "vCPU" in q["QuotaName"]), None)
    except CloudError:
        pass
    return None


def vcpus_of(job: Job) -> int:
    """Return how many vCPU a job takes at once, of what leads as well."""
    if job.on == "serverless":
        return 4 * (job.nodes + 1)
    leads = vcpus(job.primary_type or "m5.xlarge") if job.on == "emr" else 0
    return job.nodes * vcpus(job.instance_type) + leads


def check_quota(job: Job, quota: float | None) -> str:
    """Return what is to be known of the quota; empty where it is known, and enough.

    Raises `CloudError` where it is not enough.
    """
    takes, name = vcpus_of(job), "EMR Serverless" if job.on == "serverless" else "EC2"
    if quota is None:
        usual = NEW_ACCOUNT_VCPUS[job.on]
        if takes <= usual:
            return ""
        return (
            f"This takes {takes} vCPUs at once; a new account often may use only {usual} on {name} "
            "(Service Quotas), and AWS does not say how many this one may."
        )
    if takes <= quota:
        return ""
    raise CloudError(
        f"This takes {takes} vCPUs at once on {name}; the account may use {quota:g}.",
        hint="Take less (--instance-type, --nodes), or more time. "
        f"Ask for more in the console: Service Quotas, {name}. It takes hours to days.",
    )


def zones_of(aws: Aws, instance_type: str) -> tuple[str, ...] | None:
    """Return the zones of the region that have a type of server; None where AWS does not say."""
    try:
        with told(f"ask where {instance_type} is"):
            found = aws.all_of(
                "ec2",
                "describe_instance_type_offerings",
                "InstanceTypeOfferings[].Location",
                LocationType="availability-zone",
                Filters=[{"Name": "instance-type", "Values": [instance_type]}],
            )
    except CloudError:
        return None
    return tuple(sorted(map(str, found)))
