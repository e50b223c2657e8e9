"""PHOTOS and STORE of a job, on S3: there before it begins, and whole when it has ended."""

from __future__ import annotations

import json
from typing import Any

from verger.cloud.aws import Aws, absent, told
from verger.cloud.job import Job
from verger.cloud.parameters import s3_folder
from verger.errors import CloudError, CountError, StoreError
from verger.store.layout import RECORD


def check_places(aws: Aws, job: Job) -> None:
    """Refuse buckets that are not there, or in another region, before anything is made.

    Raises `CloudError`, which names the bucket and says what to do.
    """
    for what, url in (("PHOTOS", job.photos), ("STORE", job.store)):
        bucket, _ = s3_folder(url, StoreError)
        found = None
        with told(f"look at the bucket of {what}"), absent("404", "NoSuchBucket"):
            found = aws.client("s3").head_bucket(Bucket=bucket)
        if found is None:
            raise CloudError(
                f"{what}: there is no bucket {bucket}.",
                hint=f"Make it: aws s3 mb s3://{bucket} --region {aws.region}",
            )
        region = found.get("BucketRegion") or aws.region
        if region != aws.region:
            raise CloudError(
                f"{what}: the bucket {bucket} is in {region}, not in {aws.region}.",
                hint=f"Give --region {region}: a run works where its photos are.",
            )


def verify(aws: Aws, job: Job) -> dict[str, Any]:
    """Return the run record in STORE, once its counts add up.

    Raises `StoreError` where there is no record, `CountError` where the photos listed are not those
    embedded plus those rejected.
    """
    bucket, prefix = s3_folder(job.store, StoreError)
    with told(f"read {job.store}"):
        try:
            body = aws.client("s3").get_object(Bucket=bucket, Key=prefix + RECORD)["Body"]
            record: dict[str, Any] = json.loads(body.read())
            counts = record["counts"]
            numbers = [int(counts[name]) for name in ("listed", "embedded", "rejected")]
        except aws.client("s3").exceptions.NoSuchKey:
            raise StoreError(f"{job.store}: the job ended well, and left no {RECORD}.") from None
        except (ValueError, KeyError, TypeError):
            raise StoreError(f"{job.store}: {RECORD} is no record of a run.") from None
    if numbers[0] != numbers[1] + numbers[2]:
        raise CountError.of(*numbers)
    return record
