"""A notebook on a server: what there is to copy and to run, and what an hour of it costs."""

from __future__ import annotations

import dataclasses
import secrets
from pathlib import Path
from typing import Any

from verger.cloud.aws import Aws, told
from verger.cloud.bill import Workload
from verger.cloud.job import Job
from verger.cloud.machine import TOKEN_KEY
from verger.cloud.parameters import s3_folder
from verger.cloud.places import record_of
from verger.cloud.plan import Plan
from verger.cloud.plan_lines import clock
from verger.cloud.planning import plan_of
from verger.cloud.rates import FEATURE_BYTES
from verger.cloud.runs import job_of
from verger.embed.card import views_of
from verger.errors import PhotosError, StoreError
from verger.photos.address import Address
from verger.photos.references import EXTENSIONS

DEFAULT_MINUTES = 480
"""Wall clock of a notebook: a day of work."""
_STORE_BYTES = 3 * FEATURE_BYTES  # a photo's: in STORE, and again in what the notebook makes


def photos_of(aws: Aws, store: str) -> str:
    """Return where the run in a STORE found its photos. Raises `PhotosError` if not in S3."""
    photos = str(record_of(aws, store).get("photos", ""))
    if Address.of(photos).scheme != "s3":
        raise PhotosError(
            f"{store}: its run found the photos in {photos or 'no place that it names'}.",
            hint="Say where in S3 they are: --photos s3://BUCKET/folder.",
        )
    return photos


def plan_notebook(aws: Aws, photos: str, store: str, **sizes: Any) -> Plan:
    """Plan a server on which the notebook of a STORE is run; `sizes` are those of `plan_of`.

    Raises what `record_of` raises, and `PhotosError` where there is no photo.
    """
    made = record_of(aws, store).get("backbone") or {}

    def measure() -> tuple[Workload, list[str]]:
        count, size = _measured(aws, photos)
        if not count:
            raise PhotosError(f"No photo in {photos}.", hint="Say where they are: --photos.")
        work = Workload(
            photos=count, size=size, listed=count, csv=False,
            views=len(views_of(made)) if made else 1, copied=size + count * _STORE_BYTES,
        )  # fmt: skip
        return work, []

    return plan_of(measure, on="ec2", region=aws.region, **sizes)


def notebook_job(
    plan: Plan,
    photos: str,
    store: str,
    *,
    language: str,
    overwrite: bool,
    idle_minutes: int,
    limit_minutes: int | None,
    budget_eur: float,
    **given: Any,
) -> Job:
    """Make the job of a plan; `given` are fields of the job. Raises what `job_of` raises."""
    job = job_of(
        plan.recommended, photos, store, release="", spot=False, budget_eur=budget_eur,
        limit_minutes=limit_minutes or DEFAULT_MINUTES,
        options=("--overwrite",) if overwrite else (), **given,
    )  # fmt: skip
    return dataclasses.replace(job, notebook=language, idle_minutes=idle_minutes, price="")


def told_cost(plan: Plan, job: Job) -> str:
    """Say what a notebook costs, in one line."""
    one = plan.recommended
    an_hour = one.eur_at(60) - one.eur_at(0)
    return (
        f"One server, {one.size} ({one.architecture}): {an_hour:.2f} EUR an hour. The notebook is "
        f"ready after about {clock(one.seconds)} ({one.eur:.2f} EUR). Everything shuts down after "
        f"{job.idle_minutes} idle minutes, and after {clock(job.limit_minutes * 60)} in any case: "
        f"at most {one.eur_at(job.limit_minutes):.2f} EUR."
    )


def token_file(folder: Path) -> dict[str, Path]:
    """Make the secret that JupyterLab asks for, a file for the scratch bucket; return it by key."""
    file = folder / "token"
    file.touch(mode=0o600)
    file.write_text(secrets.token_hex(24))
    return {TOKEN_KEY: file}


def _measured(aws: Aws, photos: str) -> tuple[int, int]:
    """Return how many photos lie in a folder of S3, and how many bytes."""
    bucket, prefix = s3_folder(photos, PhotosError)
    with told(f"list {photos}"):
        found = aws.all_of(
            "s3", "list_objects_v2", "Contents[].[Key, Size] || `[]`", Bucket=bucket, Prefix=prefix
        )
    sizes = [size for key, size in found if str(key).lower().endswith(tuple(EXTENSIONS))]
    return len(sizes), sum(sizes)


def where_saved(store: str) -> str:
    """Return where the notebook of a STORE is saved, as a URL."""
    bucket, prefix = s3_folder(store, StoreError)
    return f"s3://{bucket}/{prefix}notebook/"
