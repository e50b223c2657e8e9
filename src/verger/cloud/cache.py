"""What jobs are sent, kept by its content in a bucket of the account: sent once, copied after.

The bucket is private, encrypted, and forgets what no job was sent for a while. Nothing in it is of
a user's: wheels, and archives of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from verger.cloud.aws import Aws, absent, told
from verger.cloud.scratch import Scratch

LEAST_BYTES = 100_000  # smaller ones are sent as quickly as they are looked for
_DAYS = 60
_AT_ONCE = 16
_PREFIX = "sha256/"


class Cache:
    """The bucket of one region of an account."""

    def __init__(self, aws: Aws) -> None:
        self.name = f"verger-cache-{aws.account}-{aws.region}"
        self._aws = aws
        self._client = aws.client("s3")
        self._owner = {"ExpectedBucketOwner": aws.account}

    def send(
        self, files: Mapping[str, Path], scratch: Scratch, sent: Callable[[int], None]
    ) -> None:
        """Have these files in a scratch bucket, by key; only what is not kept yet is sent.

        `sent` is told of bytes. Raises `CloudError` where the bucket cannot be had.
        """
        self._make()
        kept = self._kept()

        def send(each: tuple[str, Path]) -> None:
            key, path = each
            digest = _PREFIX + _sha256(path)
            if digest in kept:
                sent(path.stat().st_size)
            else:
                scratch.upload(path, digest, sent, into=self.name)
            scratch.copy(self.name, digest, key)

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(send, files.items()))

    def _make(self) -> None:
        """Make the bucket, where it is not there."""
        with told(f"look at the bucket {self.name}"), absent("404", "NoSuchBucket"):
            self._client.head_bucket(Bucket=self.name, **self._owner)
            return
        place: dict[str, Any] = {}
        if self._aws.region != "us-east-1":  # which S3 takes by no name
            place = {"CreateBucketConfiguration": {"LocationConstraint": self._aws.region}}
        expire = {
            "ID": "unused",
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "Expiration": {"Days": _DAYS},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
        }
        shut = dict.fromkeys(
            ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"),
            True,
        )
        with told(f"make the bucket {self.name}"), absent("BucketAlreadyOwnedByYou"):
            self._client.create_bucket(Bucket=self.name, **place)
        with told(f"set up the bucket {self.name}"):
            self._client.put_public_access_block(
                Bucket=self.name, PublicAccessBlockConfiguration=shut, **self._owner
            )
            self._client.put_bucket_lifecycle_configuration(
                Bucket=self.name, LifecycleConfiguration={"Rules": [expire]}, **self._owner
            )

    def _kept(self) -> set[str]:
        with told(f"list s3://{self.name}"):
            asked = {"Bucket": self.name, "Prefix": _PREFIX, **self._owner}
            found = self._aws.all_of("s3", "list_objects_v2", "Contents[].Key || `[]`", **asked)
        return {str(key) for key in found if key}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
