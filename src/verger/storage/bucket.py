"""A folder in an object store (s3://, gs://, az://), read and written by obstore."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import re
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import obstore
from obstore.exceptions import (
    BaseError,
    GenericError,
    InvalidPathError,
    PermissionDeniedError,
    PreconditionError,
)

from verger.errors import PhotosError, VergerError
from verger.machine.extras import need
from verger.machine.folders import scratch_folder
from verger.photos.address import Address
from verger.photos.labels import Labeller
from verger.photos.references import PhotoRef
from verger.photos.selection import Selection
from verger.storage import limits
from verger.storage.bucket_client import Client
from verger.storage.bucket_errors import as_obstore_has_it, is_denied, is_of_the_place, meaning
from verger.storage.bucket_listing import (
    LISTED,
    Listed,
    level_of,
    objects_of,
    pages_of,
    refs_of_objects,
    walk,
)
from verger.storage.checksum import Content
from verger.storage.lock import Lock
from verger.storage.sorting import Hear, counted, ignore
from verger.storage.sorting import in_order as by_path

if TYPE_CHECKING:
    from verger.storage.place import Lease, Source

SCHEMES = ("s3", "gs", "az")
_SHA256 = "sha256"  # what an object is sent with, and keeps where it is copied
_PASSED_ON = ("AWS_", "GOOGLE_", "AZURE_")  # settings of the environment that workers are given
_OF_ONE_MACHINE = "AWS_CONTAINER_"  # where it asks for its credentials, and a token that is secret


@dataclass(frozen=True, slots=True)
class Bucket(Client):
    """A prefix of a bucket, as a place."""

    folder: ClassVar = None
    reads_at_once: ClassVar = limits.BUCKET_AT_ONCE
    streams: ClassVar = False

    @classmethod
    def of(cls, url: str, error: type[VergerError]) -> Bucket:
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
                f"{shown} names no folder that can be used.",
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

    def absolute(self) -> Bucket:
        """Return itself: a URL is the same everywhere."""
        return self

    def holds(self, other: Source) -> bool:
        """Say whether another place is this one or lies in it."""
        return other.folder is None and f"{other}/".startswith(f"{self.url}/")

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

    def open(self, path: str) -> Any:
        """Open an object for reading; it can seek."""
        return _Object(self, path)

    @contextmanager
    def incoming(self, path: str) -> Iterator[Path]:
        """Give a local file, which is sent at the end."""
        with scratch_folder() as folder:
            file = folder / "file"
            yield file
            with file.open("rb") as data:
                said = {_SHA256: hashlib.file_digest(data, "sha256").hexdigest()}
            with self.told(path):
                self.again(lambda: obstore.put(self.store, path, file, attributes=said))

    def put(self, path: str, data: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Write a small object; S3 shows it whole or not at all, and sends it with `headers`."""
        said = {_SHA256: hashlib.sha256(data).hexdigest(), **(headers or {})}
        with self.told(path):
            self.again(lambda: obstore.put(self.store, path, data, attributes=said))

    def move(self, path: str, to: str) -> None:
        """Copy an object over another one, and delete it."""
        with self.told(path):
            if obstore.head(self.store, path)["size"] < limits.COPIED_AT_MOST:
                self.again(lambda: obstore.copy(self.store, path, to))
            else:
                with self.incoming(to) as file, file.open("wb") as out:
                    for piece in obstore.get(self.store, path).stream():
                        out.write(piece)
            self.again(lambda: obstore.delete(self.store, path))

    def delete(self, path: str) -> None:
        """Delete an object, and all that lies below its name."""
        with self.told(path):
            for page in pages_of(self, path):
                names = [entry["path"] for entry in page]
                self.again(partial(obstore.delete, self.store, names))
            if self._has(path):
                self.again(lambda: obstore.delete(self.store, path))

    def delete_files(self, paths: list[str]) -> None:
        """Delete these objects, of which some may be gone: a thousand a request."""
        with self.told(paths[0] if paths else ""):
            for start in range(0, len(paths), 1000):
                some = paths[start : start + 1000]
                self.again(partial(obstore.delete, self.store, some))

    def version(self, path: str) -> str | None:
        """Return the ETag of an object; None if there is none."""
        with suppress(FileNotFoundError), self.told(path):
            return self.again(lambda: obstore.head(self.store, path))["e_tag"]
        return None

    def delete_version(self, path: str, version: str) -> bool:
        """Delete an object if it has this ETag; say whether it is gone."""
        with self.told(path):
            try:
                self.delete_if(path, version)
            except FileNotFoundError:
                return True
            except PreconditionError:
                return not self._has(path)
        return True

    def content(self, path: str) -> Content:
        """Return the size, and the SHA-256 that was sent along with the object, if one was."""
        with self.told(path):
            found = self.again(lambda: obstore.get(self.store, path, options={"head": True}))
        said = found.attributes.get(_SHA256)
        return Content(int(found.meta["size"]), None if said is None else str(said))

    def exists(self, path: str) -> bool:
        """Say whether there is such an object."""
        with self.told(path):
            return self._has(path)

    def files(self, folder: str, suffix: str = "") -> list[str]:
        """Return the paths of the objects right in a folder, in order."""
        with self.told(folder):
            _, objects = level_of(self, folder)
        return sorted(
            one.path
            for one in objects
            if one.path.endswith(suffix) and not one.path.rpartition("/")[2].startswith(".")
        )

    def sizes(self, folder: str) -> dict[str, int]:
        """Return the sizes of the objects right in a folder, by path."""
        with self.told(folder):
            return {one.path: one.bytes for one in level_of(self, folder)[1]}

    def pieces(self, path: str) -> Iterator[bytes]:
        """Read all of an object, a piece at a time."""
        with self.told(path):
            for piece in self.again(lambda: obstore.get(self.store, path)).stream():
                yield bytes(piece)

    def entries(self, folder: str) -> list[str]:
        """Return the paths of all that lies right in a folder."""
        with self.told(folder):
            folders, objects = level_of(self, folder)
        return sorted({*folders, *(one.path for one in objects)})

    def delete_if_empty(self, folder: str) -> None:
        """Do nothing: an object store has no empty folders."""

    def is_empty(self) -> bool | None:
        """Say whether nothing lies here: None, as for a folder that there is not yet, or False."""
        with self.told(""):
            return None if next(objects_of("", pages_of(self, "")), None) is None else False

    def walk(self, hear: Hear = ignore, *, in_order: bool = True) -> Iterator[Listed]:
        """List all objects, page by page, several folders at once.

        Some servers list in another order than that of paths (`a/1` before `a b`, as folders on a
        disk), so what comes is sorted: in memory, or by way of the disk where it is long.
        """
        with self.told(""), closing(walk(self, "")) as found:
            objects = counted(found, hear)
            yield from by_path(objects, Listed, LISTED) if in_order else objects

    @contextmanager
    def lock(self, path: str) -> Iterator[Lease]:
        """Hold a lock: an object that is renewed as long as this process lives.

        One that was not renewed for a minute and a half, or whose process is known to be gone, is
        taken over. Raises BlockingIOError if another run holds it.
        """
        with self.told(path):
            held = Lock(self, path)
            held.take()
        try:
            yield held
        finally:
            held.release()

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
        try:
            obstore.head(self.store, path)
        except FileNotFoundError:
            return False
        except (InvalidPathError, ValueError):
            return True  # listed, if under a key that this client has no notation for
        return True

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


class _Object(io.RawIOBase):
    """An object as a file that can seek: each read asks for a range of it."""

    def __init__(self, bucket: Bucket, path: str) -> None:
        self._bucket, self._path = bucket, path
        with bucket.told(path):
            self._size = int(obstore.head(bucket.store, path)["size"])
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise OSError(errno.EINVAL, "a place before the beginning", self._path)
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        length = max(min(len(buffer), self._size - self._at), 0)
        if length:
            with self._bucket.told(self._path):
                store = self._bucket.store
                found = obstore.get_range(store, self._path, start=self._at, length=length)
            buffer[:length] = memoryview(found)
            self._at += length
        return length
