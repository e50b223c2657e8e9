"""PHOTOS and STORE of a job, on S3: there before it begins, and whole when it has ended."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from verger.cloud.aws import Aws, absent, told
from verger.cloud.job import Job, Network
from verger.cloud.parameters import s3_folder
from verger.cloud.regions import check_region
from verger.errors import CloudError, CountError, RegionError, StoreError, UsageError
from verger.store.layout import RECORD


def check_places(aws: Aws, job: Job) -> None:
    """Refuse buckets that are not there, or where they may not be, before anything is made.

    Raises `CloudError` for a bucket that is not there; `RegionError` for one outside of the EU,
    where nobody said that it may be, or in another region than the job. Each names the bucket.
    """
    for what, url in (("PHOTOS", job.photos), ("STORE", job.store)):
        bucket, _ = s3_folder(url, StoreError)
        region = region_of(aws, bucket, what)
        if region is None:
            raise CloudError(
                f"{what}: there is no bucket {bucket}.",
                hint=f"Make it: aws s3 mb s3://{bucket} --region {aws.region}",
            )
        check_region(region, f"{what}: the bucket {bucket}", outside_eu=job.outside_eu)
        if region != aws.region:
            raise RegionError(
                f"{what}: the bucket {bucket} is in {region}, not in {aws.region}.",
                hint=f"Give --region {region}: a run works in the region of its photos.",
            )


def region_of(aws: Aws, bucket: str, what: str) -> str | None:
    """Ask a bucket for its region; None where there is no such bucket."""
    found = None
    with told(f"look at the bucket of {what}"), absent("404", "NoSuchBucket"):
        found = aws.client("s3").head_bucket(Bucket=bucket)
    if found is None or found.get("BucketRegion"):
        return None if found is None else str(found["BucketRegion"])
    with told(f"ask where the bucket of {what} is"):
        place = aws.client("s3").get_bucket_location(Bucket=bucket)["LocationConstraint"]
    return {None: "us-east-1", "EU": "eu-west-1"}.get(place, str(place))  # S3's first two names


def network_of(aws: Aws, subnets: tuple[str, ...]) -> Network:
    """Return the network of these subnets. Raises `CloudError` where they have no one network."""
    with told("look at the subnets"):
        found = aws.client("ec2").describe_subnets(SubnetIds=list(subnets))["Subnets"]
        networks = sorted({str(each["VpcId"]) for each in found})
        if len(networks) != 1:
            raise CloudError(
                f"The subnets are in {len(networks)} networks: {', '.join(networks)}.",
                hint="Give subnets of one network.",
            )
        vpc = aws.client("ec2").describe_vpcs(VpcIds=networks)["Vpcs"][0]
    return Network(vpc=networks[0], cidr=str(vpc["CidrBlock"]), subnets=subnets)


def in_subnets(aws: Aws, job: Job, subnets: tuple[str, ...]) -> Job:
    """Return a job that uses the subnets of `--subnet`, where there are any.

    Raises `UsageError` for one that has no network, and what `network_of` raises.
    """
    if not subnets:
        return job
    if job.on == "serverless":
        raise UsageError("--subnet: EMR Serverless uses no network of yours.", hint="Leave it out.")
    return dataclasses.replace(job, network=network_of(aws, subnets))


def kms_keys(aws: Aws, job: Job) -> tuple[str, ...]:
    """Return the ARNs of the customer's keys that the buckets of a job encrypt with.

    AWS's own key for S3 needs no permission. A bucket that may not be asked has none, as far as is
    known: `--kms-key` names it.
    """
    buckets = {s3_folder(url, StoreError)[0] for url in (job.photos, job.store)}
    keys = {key for bucket in sorted(buckets) for key in _keys_of(aws, bucket)}
    return tuple(sorted({arn for key in keys if (arn := _arn_of_customers(aws, key))}))


def _keys_of(aws: Aws, bucket: str) -> list[str]:
    no_answer = "AccessDenied", "ServerSideEncryptionConfigurationNotFoundError"
    with told(f"ask how {bucket} is encrypted"), absent(*no_answer):
        found = aws.client("s3").get_bucket_encryption(Bucket=bucket)
        rules = found["ServerSideEncryptionConfiguration"]["Rules"]
        given = [rule.get("ApplyServerSideEncryptionByDefault", {}) for rule in rules]
        return [each["KMSMasterKeyID"] for each in given if each.get("KMSMasterKeyID")]
    return []


def _arn_of_customers(aws: Aws, key: str) -> str:
    """Return the ARN of a key; empty for one that AWS manages."""
    if key.endswith("alias/aws/s3"):
        return ""
    with told(f"look at the key {key}"), absent("AccessDeniedException"):
        found = aws.client("kms").describe_key(KeyId=key)["KeyMetadata"]
        return str(found["Arn"]) if found["KeyManager"] == "CUSTOMER" else ""
    # Not to be asked: a role takes the key itself, and not what it is called.
    return key if ":key/" in key else f"arn:aws:kms:{aws.region}:{aws.account}:key/{key}"


def verify(aws: Aws, job: Job) -> dict[str, Any]:
    """Return the run record in STORE, once its counts add up.

    Raises `StoreError` where there is no record, `CountError` where the photos listed are not those
    embedded plus those rejected.
    """
    return record_of(aws, job.store)


def record_of(aws: Aws, store: str) -> dict[str, Any]:
    """Return the run record of a STORE, whose counts add up. Raises as `verify` does."""
    bucket, prefix = s3_folder(store, StoreError)
    with told(f"read {store}"):
        try:
            body = aws.client("s3").get_object(Bucket=bucket, Key=prefix + RECORD)["Body"]
            record: dict[str, Any] = json.loads(body.read())
            counts = record["counts"]
            numbers = [int(counts[name]) for name in ("listed", "embedded", "rejected")]
        except aws.client("s3").exceptions.NoSuchKey:
            raise StoreError(f"{store}: it holds no {RECORD}, which every run leaves.") from None
        except (ValueError, KeyError, TypeError):
            raise StoreError(f"{store}: {RECORD} is not the record of a run.") from None
    if numbers[0] != numbers[1] + numbers[2]:
        raise CountError.of(*numbers)
    return record


def keep_log(aws: Aws, job: Job, text: str) -> str:
    """Keep what a failed job said beside STORE; return where. Raises what AWS answers."""
    bucket, key = _of_log(job)
    where = f"s3://{bucket}/{key}"
    with told(f"write {where}"):
        aws.client("s3").put_object(Bucket=bucket, Key=key, Body=text.encode())
    return where


def kept_log(aws: Aws, job: Job) -> str:
    """Return what is kept beside STORE of a job that failed; empty of one that did not."""
    bucket, key = _of_log(job)
    with told(f"read s3://{bucket}/{key}"), absent("NoSuchKey"):
        body = aws.client("s3").get_object(Bucket=bucket, Key=key)["Body"]
        return str(body.read().decode("utf-8", "replace"))
    return ""


def _of_log(job: Job) -> tuple[str, str]:
    bucket, prefix = s3_folder(job.store, StoreError)
    return bucket, f"{prefix.rstrip('/')}.{job.id}.log" if prefix else f"{job.id}.log"
