"""A folder in an object store (s3://, gs://, az://), read and written by obstore."""

from __future__ import annotations

import errno
import hashlib
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import obstore
from obstore.exceptions import PreconditionError

from verger.machine.folders import scratch_folder
from verger.storage import limits
from verger.storage.bucket_errors import as_obstore_has_it
from verger.storage.bucket_listing import level_of, objects_of, pages_of
from verger.storage.bucket_source import BucketSource
from verger.storage.checksum import Content
from verger.storage.lock import Lock

if TYPE_CHECKING:
    from obstore import GetOptions

    from verger.storage.place import Lease, Source

_SHA256 = "sha256"  # what an object is sent with, and keeps where it is copied


@dataclass(frozen=True, slots=True)
class Bucket(BucketSource):
    """A prefix of a bucket, as a place."""

    def holds(self, other: Source) -> bool:
        """Say whether another place is this one or lies in it."""
        return other.folder is None and f"{other}/".startswith(f"{self.url}/")

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
            part = max(limits.SENT_A_PART, -(-file.stat().st_size // limits.PARTS))
            send = partial(obstore.put, self.store, path, file, attributes=said, chunk_size=part)
            with self.told(path):
                self.again(send)

    def put(self, path: str, data: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Write a small object; S3 shows it whole or not at all, and sends it with `headers`."""
        said = {_SHA256: hashlib.sha256(data).hexdigest(), **(headers or {})}
        with self.told(path):
            self.again(lambda: obstore.put(self.store, path, data, attributes=said))

    def move(self, path: str, to: str) -> None:
        """Copy an object over another one, and delete it."""
        with self.told(path):
            size = int(obstore.head(self.store, path)["size"])
            if self.scheme == "s3" and size > limits.COPIED_AT_MOST:
                self._copy_in_parts(path, to)
            else:
                self.again(lambda: obstore.copy(self.store, path, to))
            self.again(lambda: obstore.delete(self.store, path))

    def _copy_in_parts(self, path: str, to: str) -> None:
        """Copy an object that S3 copies in parts only, for which obstore has no notation."""
        from boto3.s3.transfer import TransferConfig

        part = limits.COPIED_A_PART
        config = TransferConfig(multipart_threshold=part, multipart_chunksize=part)
        client, bucket, base = self.plain()
        source = {"Bucket": bucket, "Key": base + path}
        with as_obstore_has_it():
            # Older versions of the client leave behind what the object says of itself.
            said = {
                "Metadata": client.head_object(**source)["Metadata"],
                "MetadataDirective": "REPLACE",
            }
            client.copy(source, bucket, base + to, ExtraArgs=said, Config=config)

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
        """Read all of an object, a piece at a time; raises OSError where it is replaced meanwhile.

        Each piece is a request of its own: all of a large one would take longer than one may.
        """
        with self.told(path):
            found = self.again(lambda: obstore.head(self.store, path))
            size, version = int(found["size"]), found["e_tag"]
            for start in range(0, size, limits.READ_A_PIECE):
                stop = min(start + limits.READ_A_PIECE, size)
                options: GetOptions = {"range": (start, stop), "if_match": version}
                try:
                    yield self.again(partial(self._piece, path, options))
                except PreconditionError:
                    where = f"{self.url}/{path}"
                    raise OSError(errno.ESTALE, "replaced while it was read", where) from None

    def _piece(self, path: str, options: GetOptions) -> bytes:
        return bytes(obstore.get(self.store, path, options=options).bytes())

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
