"""A job becomes the parameters of its two stacks; no call to AWS is made here."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import gzip
import json
import math
import re
from typing import Any

from verger.cloud import machine
from verger.cloud.job import Job, Network
from verger.cloud.regions import check_region
from verger.errors import PhotosError, StoreError, UsageError, VergerError
from verger.photos.address import Address
from verger.settings import RunSettings

# The sizes of a scheduler's clock: one before which nothing is done, one after which nobody waits.
_SHORTEST, _LONGEST = 10, 7 * 24 * 60
# What AWS takes until a limit is counted, and something more.
_GRACE_MINUTES = {"ec2": 5, "emr": 15, "serverless": 15}
_LISTS = ("options", "other_types", "zones", "kms_keys")  # of a job, which JSON has as lists
_PARAMETER_BYTES = 4096
# Events in the history of a keeper: those it may have, and those that a look makes, a try of one
# type in one zone, and what is around all tries. A state makes two, a task five and three for each
# time that it is said again; here every task is said four times.
_EVENTS, _LOOK_EVENTS, _TRY_EVENTS, _ROUND_EVENTS = 22_000, 18, 26, 26
_ID = re.compile(r"verger-[a-z0-9-]{1,40}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
# Those that have Spark 3.5 or 4, and Python 3.11.
_RELEASE = re.compile(r"emr-(7|spark-8)\.[0-9]+\.[0-9]+")
_TOPIC = re.compile(r"arn:aws:sns:([a-z0-9-]+):[0-9]{12}:[A-Za-z0-9_-]{1,256}")
_ROLE_PREFIX = re.compile("[A-Za-z0-9_-]{0,8}")  # JOB has 47 letters at most, the rest 8
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
# Of a bucket as a whole; what else is empty is left to the template.
_MAY_BE_EMPTY = ("PhotosPrefix", "StorePrefix")
_EMR_PRIMARY = {"x86_64": "m5.xlarge", "arm64": "m6g.xlarge"}
_ZONES = ("Zone", "SecondZone", "ThirdZone")
_IMAGE = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-{}"


def s3_folder(url: str, error: type[VergerError]) -> tuple[str, str]:
    """Return bucket and prefix of `s3://bucket/folder`; the prefix ends with a slash, or is empty.

    Raises `error` where it is no folder in S3 that a policy can name.
    """
    scheme, bucket, prefix, _ = Address.of(url)
    if scheme != "s3" or not bucket:
        raise error(f"{url}: on AWS this must be a folder in S3.", hint="Give s3://bucket/folder.")
    if not _BUCKET.fullmatch(bucket):
        raise error(
            f"{url}: {bucket} is not a bucket name.",
            hint="S3 bucket names have 3 to 63 lower-case letters, digits, dots and hyphens.",
        )
    prefix = prefix.strip("/")
    # In a policy these stand for other names; a role that reads more than the photos is no choice.
    if set(prefix) & set("*?${}") or any(not letter.isprintable() for letter in prefix):
        raise error(
            f"{url}: its name has a character that policies of AWS take for a pattern (*?${{}}).",
            hint="Use a folder without it.",
        )
    return bucket, f"{prefix}/" if prefix else ""


def check(job: Job) -> None:
    """Raise a `VergerError` for a job that no stack could, or may, be made for."""
    check_id(job.id)
    check_region(job.region, "The run", outside_eu=job.outside_eu)
    s3_folder(job.photos, PhotosError)
    s3_folder(job.store, StoreError)
    if not _SHORTEST <= job.limit_minutes <= _LONGEST:
        raise UsageError(f"--limit-minutes {job.limit_minutes}: give {_SHORTEST} to {_LONGEST}.")
    if job.nodes < 1 or (job.on == "ec2" and job.nodes != 1):
        raise UsageError(f"--nodes {job.nodes}: an EC2 run has one server, the others one or more.")
    _check_topic(job)
    check_role_prefix(job.role_prefix)
    if job.notebook and job.on != "ec2":
        raise UsageError(
            f"--on {job.on}: a notebook is opened on one server, whose Spark has all its cores.",
            hint="Leave --on out. On a cluster: EMR Studio (docs/howto/aws.md).",
        )
    if job.release and not _RELEASE.fullmatch(job.release):
        raise UsageError(
            f"--release {job.release}: not an EMR release that runs Verger.",
            hint="Give emr-spark-8.1.0, or emr-7.13.0.",
        )
    if job.on == "ec2":
        machine.user_data(job, scratch_bucket(job.id, "0" * 12))  # it may be too long


def _check_topic(job: Job) -> None:
    if not job.notify:
        return
    found = _TOPIC.fullmatch(job.notify)
    if not found:
        raise UsageError(
            f"--notify {job.notify}: not an SNS topic.", hint="Give its ARN, arn:aws:sns:…."
        )
    if job.on == "serverless":
        raise UsageError(
            "--notify: a run on EMR Serverless can reach only S3.",
            hint="Leave it out.",
        )
    check_region(found[1], "--notify: the topic", outside_eu=job.outside_eu)


def check_role_prefix(prefix: str) -> None:
    """Raise `UsageError` for what no role's name can begin with: with a job's it has 64 letters."""
    if not _ROLE_PREFIX.fullmatch(prefix):
        raise UsageError(
            f"--role-prefix {prefix}: not a valid prefix of a role name.",
            hint="Give up to 8 letters, digits, underscores and hyphens.",
        )


def check_email(email: str) -> None:
    """Raise `UsageError` for what is not an address, before a stack is made that would fail."""
    if email and not _EMAIL.fullmatch(email):
        raise UsageError(
            f"--email {email}: not an e-mail address.", hint="Give one such as you@example.org."
        )


def check_account(account: str) -> None:
    """Raise `UsageError` for what is not an account number."""
    if account and not re.fullmatch("[0-9]{12}", account):
        raise UsageError(
            f"--account {account}: not an account number, which has 12 digits.",
            hint="Ask: aws sts get-caller-identity",
        )


def check_settings(settings: RunSettings) -> None:
    """Raise `UsageError` for what only this machine has: a file of it, a GPU, another cluster."""
    backbone = settings.backbone or ""
    files = {"--backbone": backbone} if backbone.endswith(".onnx") else {}
    labels = settings.label_from
    if labels not in ("parent", "none") and not labels.startswith("regex:"):
        files["--label-from"] = labels
    for option, file in files.items():
        raise UsageError(
            f"{option} {file}: a run on AWS cannot read a local file.",
            hint="Leave it out; verger reduce can label and fit again here, from STORE.",
        )
    if settings.master is not None:
        raise UsageError("--master: on AWS the platform sets it.", hint="Leave it out.")
    if settings.device == "cuda":
        raise UsageError("--device cuda: Verger uses no GPU on AWS.", hint="Leave it out.")


def check_id(job: str) -> None:
    """Raise `UsageError` for what is not the name of a job."""
    if not _ID.fullmatch(job):
        raise UsageError(f"{job}: not a job name.", hint="verger cloud status lists all jobs.")


def scratch_bucket(job: str, account: str) -> str:
    """Return the name of a job's scratch bucket."""
    return f"{job}-{account}"


def base_stack(job: str) -> str:
    """Return the name of a job's first stack."""
    return f"{job}-base"


def job_stack(job: str) -> str:
    """Return the name of a job's second stack."""
    return f"{job}-job"


def start_schedule(job: str) -> str:
    """Return the name of the schedule that starts what looks after a job."""
    return f"{job}-start"


def base_parameters(job: Job) -> dict[str, str]:
    """Return the parameters of `base.yaml`."""
    return {"Job": job.id}


def job_parameters(job: Job, scratch: str, end: dt.datetime) -> dict[str, str]:
    """Return the parameters of the template of the job's platform.

    Raises `PhotosError` or `StoreError` for a place that is not in S3, `UsageError` where a
    server's first script would be too long.
    """
    photos, store = s3_folder(job.photos, PhotosError), s3_folder(job.store, StoreError)
    given = {
        "Job": job.id,
        "Scratch": scratch,
        "PhotosBucket": photos[0],
        "PhotosPrefix": photos[1],
        "StoreBucket": store[0],
        "StorePrefix": store[1],
        "KmsKeys": ",".join(job.kms_keys),
        "Boundary": job.boundary,
        "RolePrefix": job.role_prefix,
        "Notify": job.notify,
    }
    if job.network is not None and job.on != "serverless":
        given["Vpc"] = job.network.vpc
    if job.on == "ec2":
        chosen = {
            "EndAt": moment(end),
            "UserData": encoded(machine.user_data(job, scratch)),
            **_paces(job),
            "Tries": ",".join(tries(job)),
            "SpotTries": str(sum(one.endswith("/spot") for one in tries(job))),
            "Image": _IMAGE.format(job.architecture),
            "VolumeGib": str(job.disk_gb),
            **dict(zip(_ZONES, job.zones, strict=False)),
            "Subnets": ",".join(job.network.subnets) if job.network else "",
            # The others of its files, nobody who works in a notebook changes.
            "Within": "notebook/" if job.notebook else "",
        }
    elif job.on == "emr":
        chosen = {
            "EndAt": moment(end),
            **_paces(job),
            "LimitMinutes": str(job.limit_minutes),
            "Release": job.release,
            "InstanceType": job.instance_type,
            **dict(zip(("SecondType", "ThirdType"), job.other_types, strict=False)),
            **_leads(job),
            "Nodes": str(job.nodes),
            # No word has a comma: `emr_step` writes them as in URLs.
            "StepArguments": ",".join(machine.emr_step(job, scratch)),
            "Spot": "yes" if job.spot else "no",
            "Zones": ",".join(job.zones[:2]) if len(job.zones) > 1 else "",
            "ThirdZone": job.zones[2] if len(job.zones) > 2 else "",
            "VpcAddresses": job.network.cidr if job.network else "",
            "Subnets": ",".join(job.network.subnets) if job.network else "",
        }
    else:
        # A driver beside the executors, each of 4 processors and 8 GB (`machine.py`).
        chosen = {
            "EndAt": moment(end),
            "Arguments": ",".join(machine.entry_arguments(job, scratch)),
            "SparkParameters": machine.spark_parameters(job, scratch),
            "LimitMinutes": str(job.limit_minutes),
            "Release": job.release,
            "Architecture": {"x86_64": "X86_64", "arm64": "ARM64"}[job.architecture],
            "MaximumCpu": f"{4 * (job.nodes + 1)} vCPU",
            "MaximumMemory": f"{8 * (job.nodes + 1)} GB",
        }
    return {
        name: value for name, value in (given | chosen).items() if value or name in _MAY_BE_EMPTY
    }


def _paces(job: Job) -> dict[str, str]:
    """Return how often a keeper looks, and how long it waits for room: as often as it may.

    Its history holds 25,000 events
    (https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html), and none is made
    while it waits. It looks at a server or cluster, or tries to get one: never both at once.
    """
    seconds, round_events = job.limit_minutes * 60, _TRY_EVENTS * len(tries(job)) + _ROUND_EVENTS
    return {
        "LookSeconds": str(max(60, math.ceil(seconds * _LOOK_EVENTS / _EVENTS))),
        "RoomSeconds": str(max(300, math.ceil(seconds * round_events / _EVENTS))),
    }


def _leads(job: Job) -> dict[str, str]:
    """Return the kinds of node that may lead a cluster: the second where the first has no room."""
    usual = _EMR_PRIMARY[job.architecture]
    first = job.primary_type or usual
    return {"PrimaryType": first, "SecondPrimary": usual if first != usual else ""}


def tries(job: Job) -> list[str]:
    """Return what is tried until there is a server: type, number of the subnet, spot or lasting.

    A type in each zone, then the next; as spot servers first, where those are asked for.
    """
    subnets = len(job.network.subnets) if job.network else min(len(job.zones), len(_ZONES)) or 1
    kinds = (["spot"] if job.spot else []) + ["lasting"]
    types = (job.instance_type, *job.other_types)
    return [f"{a_type}/{n}/{kind}" for kind in kinds for a_type in types for n in range(subnets)]


def ends(job: Job, now: dt.datetime) -> dt.datetime:
    """Return when everything of a job that begins now is terminated, whatever happens.

    A server and a cluster end by themselves at their limit, counted from their boot; this is for
    those that cannot.
    """
    return now + dt.timedelta(minutes=job.limit_minutes + _GRACE_MINUTES[job.on])


def moment(when: dt.datetime) -> str:
    """Write a moment as EventBridge Scheduler reads it: UTC, to the second, without a zone."""
    return when.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S")


def encoded(script: str) -> str:
    """Write a server's first script as EC2 reads it: base64, packed where it is long.

    Raises `UsageError` where it is too long even so.
    """
    for data in (script.encode(), gzip.compress(script.encode(), mtime=0)):
        text = base64.b64encode(data).decode()
        if len(text) <= _PARAMETER_BYTES:
            return text
    raise UsageError(f"The server's first script has {len(script):,} characters: too many.")


def as_json(job: Job) -> str:
    """Write a job as its scratch bucket keeps it, for `verger cloud status` on any machine."""
    return json.dumps(dataclasses.asdict(job), indent=2) + "\n"


def from_json(text: str | bytes) -> Job:
    """Read a job as its scratch bucket keeps it. Raises `ValueError` where it is none."""
    data: Any = json.loads(text)
    if not isinstance(data, dict):
        raise ValueError("no job")
    try:
        lists = {name: tuple(data.get(name, ())) for name in _LISTS}
        network = data.get("network")
        if network is not None:
            network = Network(**{**network, "subnets": tuple(network["subnets"])})
        return Job(**{**data, **lists, "network": network})
    except (TypeError, KeyError) as error:
        raise ValueError(str(error)) from None
