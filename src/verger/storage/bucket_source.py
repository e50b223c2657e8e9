"""The photos of a bucket (s3://, gs://, az://): listed, and read by obstore."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import ClassVar, Self

import obstore
from obstore.exceptions import BaseError, GenericError, InvalidPathError, PermissionDeniedError

from verger.errors import PhotosError, VergerError
from verger.machine.extras import need
from verger.photos.address import Address
from verger.photos.labels import Labeller
from verger.photos.references import PhotoRef
from verger.photos.selection import Selection
from verger.storage import limits
from verger.storage.bucket_client import Client
from verger.storage.bucket_errors import as_obstore_has_it, is_denied, is_of_the_place, meaning
from verger.storage.bucket_listing import LISTED, Listed, pages_of, refs_of_objects, walk
from verger.storage.sorting import Hear, counted, ignore
from verger.storage.sorting import in_order as by_path

SCHEMES = ("s3", "gs", "az")
_PASSED_ON = ("AWS_", "GOOGLE_", "AZURE_")  # settings of the environment that workers are given
_OF_ONE_MACHINE = "AWS_CONTAINER_"  # where it asks for its credentials, and a token that is secret


@dataclass(frozen=True, slots=True)
class BucketSource(Client):
    """A prefix of a bucket, as a source of photos."""

    folder: ClassVar = None
    reads_at_once: ClassVar = limits.BUCKET_AT_ONCE
    streams: ClassVar = False

    @classmethod
    def of(cls, url: str, error: type[VergerError]) -> Self:
        """Take a URL as a user writes it. Raises `error` if it names no bucket.

        Raises `UsageError` where the client of AWS is not installed, which finds credentials.
        """
        at = Address.of(url.rstrip("/"))
        names = at.path.split("/") if at.path else []
        shown = repr(re.sub(r"//[^/]*@", "//…@", url))  # what stands there may be a secret
        if at.scheme not in SCHEMES or not re.fullmatch(r"[\w.-]+", at.host):
            raise error(f"{shown} names no bucket.", hint="Write s3://bucket/folder.")
        if any(name in ("", ".", "..") or re.search(r"[\0-\x1f\x7f?#]", name) for name in names):
            raise error(
                f"{shown} is not a usable folder name.",
                hint="No part may be empty, `.` or `..`, or hold ?, # or a control character.",
            )
        if at.scheme == "s3":
            need("aws", "s3://")
        settings = {
            name: value
            for name, value in os.environ.items()
            if name.startswith(_PASSED_ON) and not name.startswith(_OF_ONE_MACHINE)
        }
        return cls(f"{at.scheme}://{at.rest}", error, tuple(sorted(settings.items())))

    @property
    def name(self) -> str:
        """The last part of the path, or the bucket's name."""
        return Address.of(self.url).name

    def absolute(self) -> Self:
        """Return itself: a URL is the same everywhere."""
        return self

    def list(
        self,
        labeller: Labeller,
        hear: Hear = ignore,
        *,
        selection: Selection | None = None,
        in_order: bool = True,
    ) -> Generator[PhotoRef, None, None]:
        """List the photos: see `walk`."""
        objects = self.walk(hear, in_order=in_order)
        yield from refs_of_objects(objects, labeller, selection or Selection(), self.exists)

    def walk(self, hear: Hear = ignore, *, in_order: bool = True) -> Iterator[Listed]:
        """List all objects, page by page, several folders at once.

        Some servers list in another order than that of paths (`a/1` before `a b`, as folders on a
        disk), so what comes is sorted: in memory, or by way of the disk where it is long.
        """
        with self.told(""), closing(walk(self, "")) as found:
            objects = counted(found, hear)
            yield from by_path(objects, Listed, LISTED) if in_order else objects

    def read(self, path: str) -> bytes:
        """Return all of an object."""
        with self.told(path):
            try:
                return self._read(path)
            except (GenericError, PermissionDeniedError) as error:
                # One photo that cannot be had costs no other. Of a STORE, every file counts.
                whole = self.error is not PhotosError or is_of_the_place(error)
                if whole or is_denied(error) or not self._lists():
                    raise
                raise OSError(errno.EIO, meaning(error), f"{self.url}/{path}") from None

    def exists(self, path: str) -> bool:
        """Say whether there is such an object."""
        with self.told(path):
            return self._has(path)

    def _read(self, path: str) -> bytes:
        try:
            return self.again(lambda: bytes(obstore.get(self.store, path).bytes()))
        except (InvalidPathError, ValueError):
            if self.scheme != "s3":
                raise
            client, bucket, base = self.plain()
            with as_obstore_has_it():
                return bytes(client.get_object(Bucket=bucket, Key=base + path)["Body"].read())

    def _lists(self) -> bool:
        """Say whether the place answers, though one object of it cannot be had."""
        try:
            next(pages_of(self, ""), None)
        except BaseError:
            return False
        return True

    def _has(self, path: str) -> bool:
        """Say whether there is such an object; raises what the client does."""
        try:
            obstore.head(self.store, path)
        except FileNotFoundError:
            return False
        except (InvalidPathError, ValueError):
            return True  # listed, if under a key that this client has no notation for
        return True
