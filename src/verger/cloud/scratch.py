"""A job's scratch bucket: put, read, list, empty. No bucket without the job's tag is emptied."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from verger.cloud.aws import Aws, absent, told
from verger.cloud.parameters import scratch_bucket
from verger.cloud.stack import TAG
from verger.errors import CloudError

JOB, RESULT, LOGS = "job.json", "result.json", "logs/"
_AT_ONCE = 1000  # objects that one call deletes
_NONE = ("NoSuchKey", "NoSuchBucket", "404")


class Key(NamedTuple):
    """An object, its size in bytes, and what changes when it does."""

    name: str
    size: int
    etag: str


class Scratch:
    """The scratch bucket of one job."""

    def __init__(self, aws: Aws, job: str) -> None:
        self.name = scratch_bucket(job, aws.account)
        self._job = job
        self._client = aws.client("s3")
        self._owner = {"ExpectedBucketOwner": aws.account}

    def put(self, key: str, data: bytes) -> None:
        """Write a small object."""
        with told(f"write s3://{self.name}/{key}"):
            self._client.put_object(Bucket=self.name, Key=key, Body=data, **self._owner)

    def upload(self, path: Path, key: str, sent: Callable[[int], None], *, into: str = "") -> None:
        """Send a file, in parts if it is large; `sent` is told of bytes as they go.

        `into` is another bucket of the account.
        """
        from boto3.exceptions import S3UploadFailedError

        bucket = into or self.name
        with told(f"send {path.name} to s3://{bucket}"):
            try:
                self._client.upload_file(
                    str(path), bucket, key, ExtraArgs=self._owner, Callback=sent
                )
            except S3UploadFailedError as error:
                raise (error.__context__ or CloudError(str(error))) from None

    def copy(self, bucket: str, key: str, to: str) -> None:
        """Copy an object of another bucket of the account, within S3."""
        owner = {"ExpectedSourceBucketOwner": self._owner["ExpectedBucketOwner"]}
        with told(f"copy s3://{bucket}/{key} to s3://{self.name}/{to}"):
            self._client.copy_object(
                Bucket=self.name,
                Key=to,
                CopySource={"Bucket": bucket, "Key": key},
                **self._owner,
                **owner,
            )

    def read(self, key: str) -> bytes | None:
        """Return an object; None where there is none."""
        with told(f"read s3://{self.name}/{key}"), absent(*_NONE):
            found = self._client.get_object(Bucket=self.name, Key=key, **self._owner)
            return bytes(found["Body"].read())
        return None

    def read_json(self, key: str) -> dict[str, Any] | None:
        """Return a small JSON object; None where there is none, or none that is whole."""
        text = self.read(key)
        try:
            data = json.loads(text) if text else None
        except ValueError:
            return None
        return data if isinstance(data, dict) else None

    def keys(self, prefix: str = "") -> Iterator[Key]:
        """Yield the objects below a prefix, in order of name; none where there is no bucket."""
        with told(f"list s3://{self.name}"), absent(*_NONE):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.name, Prefix=prefix, **self._owner
            )
            for page in pages:
                for found in page.get("Contents", []):
                    yield Key(found["Key"], found["Size"], found["ETag"])

    def exists(self) -> bool:
        """Say whether there is such a bucket."""
        with told(f"look at the bucket {self.name}"), absent(*_NONE):
            self._client.head_bucket(Bucket=self.name)
            return True
        return False

    def check_ours(self) -> None:
        """Raise `CloudError` for a bucket that this job did not make: it lacks the job's tag."""
        found = []
        with told(f"read the tags of the bucket {self.name}"), absent("NoSuchTagSet"):
            found = self._client.get_bucket_tagging(Bucket=self.name, **self._owner)["TagSet"]
        if {"Key": TAG, "Value": self._job} not in found:
            raise CloudError(
                f"The bucket {self.name} does not carry the tag {TAG}={self._job}: it is not "
                "this job's, and was left as it is.",
                hint="Look into it, and delete it by hand if nobody needs it.",
            )

    def empty(self) -> int:
        """Delete all that lies in the bucket, uploads cut short too; return how many objects.

        Raises `CloudError` where the bucket is not this job's.
        """
        if not self.exists():
            return 0
        self.check_ours()
        with told(f"empty the bucket {self.name}"):
            uploads = self._client.list_multipart_uploads(Bucket=self.name, **self._owner)
            for upload in uploads.get("Uploads", []):
                self._client.abort_multipart_upload(
                    Bucket=self.name, Key=upload["Key"], UploadId=upload["UploadId"]
                )
            deleted = 0
            while keys := [key.name for _, key in zip(range(_AT_ONCE), self.keys(), strict=False)]:
                answer = self._client.delete_objects(
                    Bucket=self.name,
                    Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True},
                    **self._owner,
                )
                if failed := answer.get("Errors"):
                    raise CloudError(
                        f"Cannot empty the bucket {self.name}: {failed[0].get('Key')}: "
                        f"{failed[0].get('Message')}"
                    )
                deleted += len(keys)
        return deleted
