"""A folder in an object store (s3://, gs://, az://), read and written by obstore.

Credentials come from where the provider's own tools take them: the environment, a profile, the role
of the machine. None is printed, and none is sent to workers but in the way that Spark itself does.
"""

from __future__ import annotations

import errno
import io
import json
import os
import queue
import re
import socket
import tempfile
import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple, cast
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    InvalidPathError,
    PermissionDeniedError,
    PreconditionError,
)
from obstore.store import ObjectStore, from_url

from verger.errors import VergerError

SCHEMES = ("s3", "gs", "az")
_PASSED_ON = ("AWS_", "GOOGLE_", "AZURE_")  # settings of the environment that workers are given
_TRIES = {
    "max_retries": 8,
    "retry_timeout": timedelta(seconds=90),
    "backoff": {
        "init_backoff": timedelta(milliseconds=100),
        "max_backoff": timedelta(seconds=10),
        "base": 2.0,
    },
}
_CLIENT = {"timeout": timedelta(seconds=60), "connect_timeout": timedelta(seconds=10)}
_PAGES_AHEAD = 4
_PREFIXES_AT_ONCE = 8
_COPIED_AT_MOST = 5 * 10**9  # larger objects are sent again; S3 copies no more at once
_BEAT, _LAPSE = 15.0, 90.0  # seconds: how often a lock is renewed, and when it counts as left


class Listed(NamedTuple):
    """One object, by its path in the place."""

    path: str
    bytes: int
    modified: datetime


@dataclass(frozen=True, slots=True)
class Bucket:
    """A prefix of a bucket. What fails for one object raises OSError, all else `error`.

    url:      scheme://bucket/prefix, without a slash at its end
    error:    the error to raise where the whole place cannot be used
    settings: what the environment says of the provider; hidden, for it may hold a secret
    """

    url: str
    error: type[VergerError]
    settings: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, url: str, error: type[VergerError]) -> Bucket:
        """Take a URL as a user writes it. Raises `error` if it names no bucket."""
        parts = urlsplit(url)
        if parts.scheme not in SCHEMES or not parts.netloc or parts.query or parts.fragment:
            raise error(f"{url} names no bucket.", hint="Write s3://bucket/folder.")
        settings = {k: v for k, v in os.environ.items() if k.startswith(_PASSED_ON)}
        return cls(url.rstrip("/"), error, tuple(sorted(settings.items())))

    @property
    def reads_at_once(self) -> int:
        """How many objects are best read at the same time."""
        return 64

    def __str__(self) -> str:
        return self.url

    @property
    def scheme(self) -> str:
        """The scheme of the URL."""
        return self.url.partition("://")[0]

    @property
    def name(self) -> str:
        """The last part of the path, or the bucket's name."""
        return self.url.rpartition("/")[2]

    def absolute(self) -> Bucket:
        """Return itself: a URL is the same everywhere."""
        return self

    def holds(self, other: object) -> bool:
        """Say whether another place is this one or lies in it."""
        return isinstance(other, Bucket) and f"{other.url}/".startswith(f"{self.url}/")

    def read(self, path: str) -> bytes:
        """Return all of an object."""
        with self._told(path):
            try:
                return bytes(obstore.get(self._store, path).bytes())
            except (InvalidPathError, ValueError):
                if self.scheme != "s3":
                    raise
                return self._read_as_it_is(path)

    def open(self, path: str) -> Any:
        """Open an object for reading; it can seek."""
        with self._told(path):
            return _Object(self._store, path)

    @contextmanager
    def incoming(self, path: str) -> Iterator[Path]:
        """Give a local file, which is sent at the end."""
        with tempfile.TemporaryDirectory(prefix="verger-") as folder:
            file = Path(folder) / "file"
            yield file
            with self._told(path):
                obstore.put(self._store, path, file)

    def put(self, path: str, data: bytes) -> None:
        """Write a small object; S3 shows it whole or not at all."""
        with self._told(path):
            obstore.put(self._store, path, data)

    def settle(self, path: str) -> None:
        """Do nothing: an object that is there is durable."""

    def move(self, path: str, to: str) -> None:
        """Copy an object over another one, and delete it."""
        with self._told(path):
            if obstore.head(self._store, path)["size"] < _COPIED_AT_MOST:
                obstore.copy(self._store, path, to)
            else:
                obstore.put(self._store, to, obstore.get(self._store, path))
            obstore.delete(self._store, path)

    def delete(self, path: str) -> None:
        """Delete an object, and all that lies below its name."""
        with self._told(path):
            for page in obstore.list(self._store, path):
                obstore.delete(self._store, [entry["path"] for entry in page])
            if self._has(path):
                obstore.delete(self._store, path)

    def exists(self, path: str) -> bool:
        """Say whether there is such an object."""
        with self._told(path):
            return self._has(path)

    def files(self, folder: str, suffix: str = "") -> list[str]:
        """Return the paths of the objects right in a folder, in order."""
        with self._told(folder):
            found = obstore.list_with_delimiter(self._store, folder or None)["objects"]
        return sorted(entry["path"] for entry in found if entry["path"].endswith(suffix))

    def entries(self, folder: str) -> list[str]:
        """Return the paths of all that lies right in a folder."""
        with self._told(folder):
            found = obstore.list_with_delimiter(self._store, folder or None)
        return sorted([*found["common_prefixes"], *(entry["path"] for entry in found["objects"])])

    def delete_if_empty(self, folder: str) -> None:
        """Do nothing: an object store has no empty folders."""

    def is_empty(self) -> bool | None:
        """Say whether nothing lies here: None, as for a folder that there is not yet, or False."""
        with self._told(""):
            try:
                return None if next(iter(obstore.list(self._store)), None) is None else False
            except (InvalidPathError, ValueError):
                return False

    def for_spark(self, path: str) -> str:
        """Name a path for Spark."""
        return f"{self.url}/{path}"

    def walk(self) -> Iterator[Listed]:
        """List all objects in order of path, page by page, several folders at once."""
        with self._told(""):
            yield from self._walk("")

    @contextmanager
    def lock(self, path: str) -> Iterator[None]:
        """Hold a lock: an object that is renewed as long as this process lives.

        One that was not renewed for a minute and a half, or whose process is known to be gone, is
        taken over. Raises BlockingIOError if another run holds it.
        """
        held = _Lock(self._store, path)
        with self._told(path):
            held.take()
        try:
            yield
        finally:
            held.release()

    @property
    def _store(self) -> ObjectStore:
        return _open(self.url, self.settings)

    def _has(self, path: str) -> bool:
        try:
            obstore.head(self._store, path)
        except FileNotFoundError:
            return False
        except (InvalidPathError, ValueError):
            return True  # listed, if under a key that this client has no notation for
        return True

    @contextmanager
    def _told(self, path: str) -> Iterator[None]:
        """Turn what the client raises into OSError for one object, or into the place's error."""
        try:
            yield
        except (AlreadyExistsError, PreconditionError):
            raise
        except FileNotFoundError as error:
            if "NoSuchBucket" in str(error):
                raise self._unusable("there is no such bucket", error) from None
            raise FileNotFoundError(errno.ENOENT, "no such object", f"{self.url}/{path}") from None
        except PermissionDeniedError as error:
            if (code := _code(error)) in ("", "AccessDenied"):
                where = f"{self.url}/{path}"
                raise PermissionError(errno.EACCES, "access denied", where) from None
            raise self._unusable(_MEANING.get(code, code), error) from None
        except (InvalidPathError, ValueError):
            raise OSError(errno.EINVAL, "a key that cannot be asked for", path) from None
        except BaseError as error:
            raise self._unusable(_meaning(error), error) from None

    def _unusable(self, what: str, error: Exception) -> VergerError:
        return self.error(f"{self.url}: {what}.", hint=_remedy(_code(error)))

    # Listing --------------------------------------------------------------------------------------

    def _walk(self, prefix: str) -> Iterator[Listed]:
        """List below `prefix`; where that is folders, several of them at once, still in order."""
        first: list[Any] = next(self._pages(prefix), [])
        below = first[0]["path"].removeprefix(prefix).lstrip("/") if first else ""
        if "/" not in below:  # photos lie right here, perhaps millions: one stream
            yield from _objects(self._pages(prefix))
            return
        try:
            here = obstore.list_with_delimiter(self._store, prefix or None)
        except (InvalidPathError, ValueError):
            yield from _objects(self._pages(prefix))
            return
        folders = sorted(name + "/" for name in here["common_prefixes"])
        if len(folders) == 1 and not here["objects"]:
            yield from self._walk(folders[0])
            return
        loose = sorted(_objects([here["objects"]]))
        with ExitStack() as stack:
            started: deque[tuple[str, Iterator[Listed]]] = deque()
            for folder in folders:
                pages = stack.enter_context(_ahead(partial(self._pages, folder)))
                started.append((folder, _objects(pages)))
                if len(started) == _PREFIXES_AT_ONCE:
                    yield from _merged(loose, *started.popleft())
            for name, objects in started:
                yield from _merged(loose, name, objects)
        yield from loose

    def _pages(self, prefix: str) -> Iterator[Any]:
        """List below a prefix, a page at a time, in order of key."""
        last: str | None = None
        try:
            for page in obstore.list(self._store, prefix or None, chunk_size=1000):
                yield page
                last = page[-1]["path"]
        except (InvalidPathError, ValueError):
            # One key that this client has no notation for, such as `a//b`, costs it a whole page.
            if not self.url.startswith("s3://"):
                raise
            yield from self._pages_as_they_are(prefix, last)

    def _read_as_it_is(self, path: str) -> bytes:
        client, bucket, base = _plain_client(self.url)
        try:
            return bytes(client.get_object(Bucket=bucket, Key=base + path)["Body"].read())
        except client.exceptions.ClientError as error:
            code = error.response["Error"]["Code"]
            raise OSError(errno.EIO, _MEANING.get(code, code), path) from None

    def _pages_as_they_are(self, prefix: str, after: str | None) -> Iterator[Any]:
        client, bucket, base = _plain_client(self.url)
        start = {"StartAfter": base + after} if after is not None else {}
        pages = client.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=bucket, Prefix=base + prefix, **start):
            yield [
                {
                    "path": entry["Key"].removeprefix(base),
                    "size": entry["Size"],
                    "last_modified": entry["LastModified"],
                }
                for entry in page.get("Contents", [])
            ]


class _Object(io.RawIOBase):
    """An object as a file that can seek: each read asks for a range of it."""

    def __init__(self, store: ObjectStore, path: str) -> None:
        self._store, self._path = store, path
        self._size = int(obstore.head(store, path)["size"])
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        length = max(min(len(buffer), self._size - self._at), 0)
        if length:
            found = obstore.get_range(self._store, self._path, start=self._at, length=length)
            buffer[:length] = memoryview(found)
            self._at += length
        return length


def _objects(pages: Iterable[Any]) -> Iterator[Listed]:
    for page in pages:
        for entry in page:
            yield Listed(entry["path"], entry["size"], entry["last_modified"])


def _merged(loose: list[Listed], folder: str, objects: Iterator[Listed]) -> Iterator[Listed]:
    """Yield the objects of a folder, after those beside it that come before it in order."""
    while loose and loose[0].path < folder:
        yield loose.pop(0)
    yield from objects


@contextmanager
def _ahead(pages: Callable[[], Iterator[Any]]) -> Iterator[Iterator[Any]]:
    """Have a thread read pages, a few ahead of whoever takes them."""
    read: queue.Queue[Any] = queue.Queue(_PAGES_AHEAD)
    ended = threading.Event()

    def put(item: Any) -> None:
        while not ended.is_set():
            with suppress(queue.Full):
                read.put(item, timeout=0.2)
                return

    def work() -> None:
        try:
            for page in pages():
                put(page)
                if ended.is_set():
                    return
            put(None)
        except Exception as error:  # noqa: BLE001 - raised again where the pages are taken
            put(error)

    def take() -> Iterator[Any]:
        while (page := read.get()) is not None:
            if isinstance(page, Exception):
                raise page
            yield page

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield take()
    finally:
        ended.set()
        thread.join(1)


class _Lock:
    """An object that says who holds a lock, and that is renewed while it is held."""

    def __init__(self, store: ObjectStore, path: str) -> None:
        self._store, self._path = store, path
        self._said = {"host": socket.gethostname(), "pid": os.getpid(), "run": uuid.uuid4().hex}
        self._tag: Any = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def take(self) -> None:
        """Take the lock, or raise BlockingIOError."""
        try:
            self._put("create")
        except AlreadyExistsError:
            self._take_over()
        self._thread.start()

    def release(self) -> None:
        """Give the lock back, unless another has taken it over."""
        self._ended.set()
        self._thread.join()
        with suppress(BaseError, OSError):
            if json.loads(bytes(obstore.get(self._store, self._path).bytes())) == self._said:
                obstore.delete(self._store, self._path)

    def _take_over(self) -> None:
        found = obstore.get(self._store, self._path)
        meta, other = found.meta, json.loads(bytes(found.bytes()))
        age = (datetime.now(tz=UTC) - meta["last_modified"]).total_seconds()
        if age < _LAPSE and not _is_gone(other):
            raise BlockingIOError(errno.EWOULDBLOCK, "held", self._path)
        try:
            self._put({"e_tag": meta["e_tag"]})
        except PreconditionError:
            raise BlockingIOError(errno.EWOULDBLOCK, "held", self._path) from None

    def _put(self, mode: Any) -> None:
        body = json.dumps(self._said).encode()
        self._tag = obstore.put(self._store, self._path, body, mode=mode)["e_tag"]

    def _beat(self) -> None:
        while not self._ended.wait(_BEAT):
            try:
                self._put({"e_tag": self._tag})
            except PreconditionError:
                return  # taken over while this process slept
            except (BaseError, OSError):
                continue


def _is_gone(holder: Mapping[str, Any]) -> bool:
    """Say whether the process that holds a lock was on this machine and has ended."""
    if holder.get("host") != socket.gethostname():
        return False
    try:
        os.kill(int(holder["pid"]), 0)
    except ProcessLookupError:
        return True
    except (OSError, KeyError, ValueError, TypeError):
        return False
    return False


@cache
def _plain_client(url: str) -> tuple[Any, str, str]:
    """Return a client that takes keys as they are, the bucket, and what its keys begin with."""
    import boto3

    place = urlsplit(url)
    base = place.path.strip("/")
    return boto3.client("s3"), place.netloc, f"{base}/" if base else ""


@cache
def _open(url: str, settings: tuple[tuple[str, str], ...]) -> ObjectStore:
    """Open a store once a process."""
    given = dict(settings)
    client = {**_CLIENT, "allow_http": given.get("AWS_ENDPOINT_URL", "").startswith("http://")}
    config = {key.lower(): value for key, value in settings if key in _CONFIG}
    options: dict[str, Any] = {}
    if url.startswith("s3://") and _wants_profile(given):
        from obstore.auth.boto3 import Boto3CredentialProvider

        options["credential_provider"] = Boto3CredentialProvider()
    options |= {"client_options": client, "retry_config": _TRIES}
    return cast(ObjectStore, cast(Any, from_url)(url, config=config, **options))


_CONFIG = (
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION",
    "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_SKIP_SIGNATURE",
)  # fmt: skip


def _wants_profile(settings: Mapping[str, str]) -> bool:
    """Say whether credentials stand in a file, which obstore does not read by itself."""
    if "AWS_ACCESS_KEY_ID" in settings or settings.get("AWS_SKIP_SIGNATURE"):
        return False
    files = (
        settings.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
        settings.get("AWS_CONFIG_FILE", "~/.aws/config"),
    )
    return "AWS_PROFILE" in settings or any(Path(file).expanduser().exists() for file in files)


_MEANING = {
    "NoSuchBucket": "there is no such bucket",
    "AccessDenied": "access denied",
    "InvalidAccessKeyId": "the access key is not known",
    "SignatureDoesNotMatch": "the secret key does not fit the access key",
    "ExpiredToken": "the credentials have expired",
    "InvalidToken": "the session token is not valid",
    "PermanentRedirect": "the bucket lies in another region",
    "AuthorizationHeaderMalformed": "the bucket lies in another region",
    "IllegalLocationConstraintException": "the bucket lies in another region",
    "SlowDown": "the store asks for fewer requests, and went on asking",
}
_REMEDY = {
    "NoSuchBucket": "Check its name.",
    "AccessDenied": "The credentials lack a permission here (s3:ListBucket, GetObject, PutObject, "
    "DeleteObject).",
    "PermanentRedirect": "Set AWS_REGION to its region.",
    "AuthorizationHeaderMalformed": "Set AWS_REGION to its region.",
    "IllegalLocationConstraintException": "Set AWS_REGION to its region.",
}


def _code(error: Exception) -> str:
    """Find the provider's own word for what is wrong."""
    found = re.search(r"<Code>(\w+)</Code>|\(code: (\w+)\)", str(error))
    return next((code for code in found.groups() if code), "") if found else ""


def _remedy(code: str) -> str:
    if code in _REMEDY:
        return _REMEDY[code]
    if code in _MEANING:
        return "Renew the credentials, and run again: what is finished is kept."
    return "Run again when it answers: what is finished is kept."


def _meaning(error: Exception) -> str:
    """Say in a few words what is wrong; what the client prints goes on for a page."""
    if code := _code(error):
        return _MEANING.get(code, code)
    text = str(error).split("\n")[0]
    if "error sending request" in text or "Connect" in text:
        return "the endpoint does not answer"
    if "301" in text:
        return "the bucket lies in another region"
    return re.sub(r"https?://\S+", "…", text)[:200]
