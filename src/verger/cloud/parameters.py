"""A job becomes the parameters of its two stacks; no call to AWS is made here."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import gzip
import json
import re
from typing import Any

from verger.cloud import machine
from verger.cloud.job import Job
from verger.errors import PhotosError, StoreError, UsageError, VergerError
from verger.settings import RunSettings
from verger.storage.place import address_of

# The sizes of a scheduler's clock: one before which nothing is done, one after which nobody waits.
_SHORTEST, _LONGEST = 10, 7 * 24 * 60
_GRACE_MINUTES = 5
_PARAMETER_BYTES = 4096
_ID = re.compile(r"verger-[a-z0-9-]{1,40}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
# Those that have Spark 3.5 or 4, and Python 3.11.
_RELEASE = re.compile(r"emr-(7|spark-8)\.[0-9]+\.[0-9]+")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")  # as base.yaml has it
_EMR_PRIMARY = {"x86_64": "m5.xlarge", "arm64": "m6g.xlarge"}
_IMAGE = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-{}"


def s3_folder(url: str, error: type[VergerError]) -> tuple[str, str]:
    """Return bucket and prefix of `s3://bucket/folder`; the prefix ends with a slash, or is empty.

    Raises `error` where it is no folder in S3 that a policy can name.
    """
    scheme, rest = address_of(url)
    bucket, _, prefix = rest.partition("/")
    if scheme != "s3" or not _BUCKET.fullmatch(bucket):
        raise error(f"{url}: on AWS this is a folder in S3.", hint="Give s3://bucket/folder.")
    prefix = prefix.strip("/")
    # In a policy these stand for other names; a role that reads more than the photos is no choice.
    if set(prefix) & set("*?${}") or any(not letter.isprintable() for letter in prefix):
        raise error(
            f"{url}: its name has a character that policies of AWS take for a pattern (*?${{}}).",
            hint="Use a folder without it.",
        )
    return bucket, f"{prefix}/" if prefix else ""


def check(job: Job) -> None:
    """Raise a `VergerError` for a job that no stack could be made for."""
    check_id(job.id)
    s3_folder(job.photos, PhotosError)
    s3_folder(job.store, StoreError)
    if not _SHORTEST <= job.limit_minutes <= _LONGEST:
        raise UsageError(f"--limit-minutes {job.limit_minutes}: give {_SHORTEST} to {_LONGEST}.")
    if job.nodes < 1 or (job.on == "ec2" and job.nodes != 1):
        raise UsageError(f"--nodes {job.nodes}: an EC2 run has one server, the others one or more.")
    if job.release and not _RELEASE.fullmatch(job.release):
        raise UsageError(
            f"--release {job.release}: no release of EMR that runs Verger.",
            hint="Give emr-spark-8.0.0, or emr-7.13.0.",
        )
    if job.on == "ec2":
        machine.user_data(job, scratch_bucket(job.id, "0" * 12))  # it may be too long


def check_email(email: str) -> None:
    """Raise `UsageError` for what is no address, before a stack is made that would fail."""
    if email and not _EMAIL.fullmatch(email):
        raise UsageError(f"--email {email}: no address.", hint="Give one such as you@example.org.")


def check_account(account: str) -> None:
    """Raise `UsageError` for what is no number of an account."""
    if account and not re.fullmatch("[0-9]{12}", account):
        raise UsageError(
            f"--account {account}: no number of an account, which has 12 digits.",
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
            f"{option} {file}: what runs on AWS has no file of this machine.",
            hint="Leave it out; verger reduce can label and fit again here, from the STORE.",
        )
    if settings.master is not None:
        raise UsageError("--master: on AWS that is the platform's own.", hint="Leave it out.")
    if settings.device == "cuda":
        raise UsageError("--device cuda: on AWS Verger starts no GPU.", hint="Leave it out.")


def check_id(job: str) -> None:
    """Raise `UsageError` for what is no name of a job."""
    if not _ID.fullmatch(job):
        raise UsageError(
            f"{job}: no name of a job.", hint="verger cloud status lists those that there are."
        )


def scratch_bucket(job: str, account: str) -> str:
    """Return the name of a job's scratch bucket."""
    return f"{job}-{account}"


def base_stack(job: str) -> str:
    """Return the name of a job's first stack."""
    return f"{job}-base"


def job_stack(job: str) -> str:
    """Return the name of a job's second stack."""
    return f"{job}-job"


def base_parameters(job: Job, *, budget_usd: float, email: str) -> dict[str, str]:
    """Return the parameters of `base.yaml`."""
    return {"Job": job.id, "BudgetUsd": f"{max(budget_usd, 0.01):.2f}", "Email": email}


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
    }
    if job.on == "ec2":
        chosen = {
            "EndAt": moment(end),
            "UserData": encoded(machine.user_data(job, scratch)),
            "InstanceType": job.instance_type,
            "Image": _IMAGE.format(job.architecture),
            "Spot": "yes" if job.spot else "no",
            "VolumeGib": str(job.disk_gb),
        }
    elif job.on == "emr":
        chosen = {
            "EndAt": moment(end),
            "Release": job.release,
            "InstanceType": job.instance_type,
            "PrimaryType": job.primary_type or _EMR_PRIMARY[job.architecture],
            "Nodes": str(job.nodes),
            # No word has a comma: `emr_step` writes them as in URLs.
            "StepArguments": ",".join(machine.emr_step(job, scratch)),
            "Spot": "yes" if job.spot else "no",
        }
    else:
        # A driver beside the executors, each of 4 processors and 8 GB (`machine.py`).
        chosen = {
            "Release": job.release,
            "Architecture": {"x86_64": "X86_64", "arm64": "ARM64"}[job.architecture],
            "MaximumCpu": f"{4 * (job.nodes + 1)} vCPU",
            "MaximumMemory": f"{8 * (job.nodes + 1)} GB",
        }
    return given | {name: value for name, value in chosen.items() if value}


def ends(job: Job, now: dt.datetime) -> dt.datetime:
    """Return when everything of a job that begins now is terminated, whatever happens.

    A server ends by itself at its limit, counted from its boot; a few minutes later is for one that
    cannot.
    """
    grace = _GRACE_MINUTES if job.on == "ec2" else 0
    return now + dt.timedelta(minutes=job.limit_minutes + grace)


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
        return Job(**{**data, "options": tuple(data.get("options", ()))})
    except TypeError as error:
        raise ValueError(str(error)) from None
