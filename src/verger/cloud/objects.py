"""A folder of S3 as a job itself reaches it, by the role that AWS gave its server."""

from __future__ import annotations

from pathlib import Path

import boto3

from verger.photos.address import Address


class Objects:
    """The objects below `s3://BUCKET/FOLDER`, or of a whole bucket, by their names in it.

    Methods raise what boto3 does.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        _, self._bucket, self._prefix, _ = Address.of(f"{self.url}/")
        self._client = boto3.client("s3")

    def read(self, name: str) -> bytes:
        """Return an object."""
        found = self._client.get_object(Bucket=self._bucket, Key=self._prefix + name)
        return bytes(found["Body"].read())

    def put(self, name: str, body: bytes) -> None:
        """Write a small object."""
        self._client.put_object(Bucket=self._bucket, Key=self._prefix + name, Body=body)

    def send(self, path: Path, name: str) -> None:
        """Write a file, in parts if it is large."""
        self._client.upload_file(str(path), self._bucket, self._prefix + name)

    def delete(self, name: str) -> None:
        """Delete an object; one that is not there is none."""
        self._client.delete_object(Bucket=self._bucket, Key=self._prefix + name)
