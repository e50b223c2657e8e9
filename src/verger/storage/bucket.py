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
import random
import re
import socket
import tempfile
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast
from urllib.parse import quote

import obstore
import pyarrow as pa
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    GenericError,
    InvalidPathError,
    PermissionDeniedError,
    PreconditionError,
)
from obstore.store import ObjectStore, from_url

from verger.errors import VergerError
from verger.storage.sorting import in_order

_T = TypeVar("_T")

SCHEMES = ("s3", "gs", "az")
_PASSED_ON = ("AWS_", "GOOGLE_", "AZURE_")  # settings of the environment that workers are given
_ATTEMPTS = 9  # of each request, unless AWS_MAX_ATTEMPTS says otherwise
_PATIENCE = timedelta(seconds=90)  # for all attempts of a request together
_BACKOFF = {
    "init_backoff": timedelta(milliseconds=100),
    "max_backoff": timedelta(seconds=10),
    "base": 2.0,
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
    e_tag: str | None = None


LISTED = pa.schema(
    [
        pa.field("path", pa.string()),
        pa.field("bytes", pa.int64()),
        pa.field("modified", pa.timestamp("us", tz="UTC")),
        pa.field("e_tag", pa.string()),
    ]
)


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
        scheme, _, place = url.rstrip("/").partition("://")
        bucket, *names = place.split("/")
        shown = repr(re.sub(r"//[^/]*@", "//…@", url))  # what stands there may be a secret
        if scheme not in SCHEMES or not re.fullmatch(r"[\w.-]+", bucket):
            raise error(f"{shown} names no bucket.", hint="Write s3://bucket/folder.")
        if any(name in ("", ".", "..") or re.search(r"[\0-\x1f\x7f?#]", name) for name in names):
            raise error(
                f"{shown} names no folder that can be used.",
                hint="No part may be empty, `.` or `..`, or hold ?, # or a control character.",
            )
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
                return self._again(lambda: bytes(obstore.get(self._store, path).bytes()))
            except (InvalidPathError, ValueError):
                if self.scheme != "s3":
                    raise
                return self._read_as_it_is(path)

    def open(self, path: str) -> Any:
        """Open an object for reading; it can seek."""
        return _Object(self, path)

    @contextmanager
    def incoming(self, path: str) -> Iterator[Path]:
        """Give a local file, which is sent at the end."""
        with tempfile.TemporaryDirectory(prefix="verger-") as folder:
            file = Path(folder) / "file"
            yield file
            with self._told(path):
                self._again(lambda: obstore.put(self._store, path, file))

    def put(self, path: str, data: bytes) -> None:
        """Write a small object; S3 shows it whole or not at all."""
        with self._told(path):
            self._again(lambda: obstore.put(self._store, path, data))

    def settle(self, path: str) -> None:
        """Do nothing: an object that is there is durable."""

    def move(self, path: str, to: str) -> None:
        """Copy an object over another one, and delete it."""
        with self._told(path):
            if obstore.head(self._store, path)["size"] < _COPIED_AT_MOST:
                self._again(lambda: obstore.copy(self._store, path, to))
            else:
                with self.incoming(to) as file, file.open("wb") as out:
                    for piece in obstore.get(self._store, path).stream():
                        out.write(piece)
            self._again(lambda: obstore.delete(self._store, path))

    def delete(self, path: str) -> None:
        """Delete an object, and all that lies below its name."""
        with self._told(path):
            for page in self._pages(path):
                names = [entry["path"] for entry in page]
                self._again(partial(obstore.delete, self._store, names))
            if self._has(path):
                self._again(lambda: obstore.delete(self._store, path))

    def exists(self, path: str) -> bool:
        """Say whether there is such an object."""
        with self._told(path):
            return self._has(path)

    def files(self, folder: str, suffix: str = "") -> list[str]:
        """Return the paths of the objects right in a folder, in order."""
        with self._told(folder):
            _, objects = self._level(folder)
        return sorted(
            one.path
            for one in objects
            if one.path.endswith(suffix) and not one.path.rpartition("/")[2].startswith(".")
        )

    def entries(self, folder: str) -> list[str]:
        """Return the paths of all that lies right in a folder."""
        with self._told(folder):
            folders, objects = self._level(folder)
        return sorted({*folders, *(one.path for one in objects)})

    def delete_if_empty(self, folder: str) -> None:
        """Do nothing: an object store has no empty folders."""

    def is_empty(self) -> bool | None:
        """Say whether nothing lies here: None, as for a folder that there is not yet, or False."""
        with self._told(""):
            return None if next(_objects("", self._pages("")), None) is None else False

    def for_spark(self, path: str) -> str:
        """Name a path for Spark."""
        return f"{self.url}/{path}"

    def walk(self, hear: Callable[[int], None] = lambda _found: None) -> Iterator[Listed]:
        """List all objects in order of path, page by page, several folders at once.

        Some servers list in another order (`a/1` before `a b`, as folders on a disk), so what comes
        is sorted: in memory, or by way of the disk where it is long. `hear` is told how many were
        found: all are, before the first is given.
        """
        with self._told(""), closing(self._walk("")) as found:
            yield from in_order(found, Listed, LISTED, hear)

    @contextmanager
    def lock(self, path: str) -> Iterator[Callable[[], bool]]:
        """Hold a lock: an object that is renewed as long as this process lives.

        One that was not renewed for a minute and a half, or whose process is known to be gone, is
        taken over. Raises BlockingIOError if another run holds it. What is given renews the lock,
        and says whether that could be done: if so, nobody takes it over within that time.
        """
        with self._told(path):
            held = _Lock(self._store, path, _attempts(dict(self.settings)))
            held.take()

        def is_held() -> bool:
            with self._told(path):
                return held.renew()

        try:
            yield is_held
        finally:
            held.release()

    @property
    def _store(self) -> ObjectStore:
        return _open(self.url, self.settings)

    def _again(self, action: Callable[[], _T]) -> _T:
        return _repeated(_attempts(dict(self.settings)), action)

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
        return self.error(
            f"{self.url}: {what}.", hint=_remedy(_code(error), self.scheme, dict(self.settings))
        )

    # Listing --------------------------------------------------------------------------------------

    def _walk(self, prefix: str) -> Generator[Listed, None, None]:
        """List below `prefix`; where that is folders, several of them at once."""
        first: list[Any] = next(self._pages(prefix), [])
        names = (entry["path"].removeprefix(prefix).lstrip("/") for entry in first)
        below = next(filter(None, names), "")
        if "/" not in below:  # photos lie right here, perhaps millions: one stream
            yield from _objects(prefix, self._pages(prefix))
            return
        folders, loose = self._level(prefix)
        if len(folders) == 1 and not loose:
            yield from self._walk(f"{folders[0]}/")
            return
        yield from loose
        with ExitStack() as stack:
            started: deque[Iterator[Listed]] = deque()
            for folder in (f"{name}/" for name in folders):
                pages = stack.enter_context(_ahead(partial(self._pages, folder)))
                started.append(_objects(folder, pages))
                if len(started) == _PREFIXES_AT_ONCE:
                    yield from started.popleft()
            for objects in started:
                yield from objects

    def _level(self, folder: str) -> tuple[list[str], list[Listed]]:
        """Return the folders and the objects right in a folder."""
        try:
            found: Any = self._again(
                lambda: obstore.list_with_delimiter(self._store, folder or None)
            )
        except (InvalidPathError, ValueError):
            if self.scheme != "s3":
                raise
            prefix = f"{folder.rstrip('/')}/" if folder else ""
            pages = list(self._pages_as_they_are(prefix, None, Delimiter="/"))
            found = {
                "common_prefixes": [name for page in pages for name in page["common_prefixes"]],
                "objects": [entry for page in pages for entry in page["objects"]],
            }
        return found["common_prefixes"], list(_objects(folder, [found["objects"]]))

    def _pages(self, prefix: str) -> Iterator[Any]:
        """List below a prefix, a page at a time, as the server has it."""
        last: str | None = None
        pages: Iterator[Any] | None = None

        def next_page() -> Any:
            nonlocal pages
            if pages is None:
                pages = iter(
                    obstore.list(self._store, prefix or None, offset=last, chunk_size=1000)
                )
            try:
                return next(pages, None)
            except GenericError:
                pages = None  # it has ended; another goes on after the last page
                raise

        try:
            while (page := self._again(next_page)) is not None:
                yield page
                last = page[-1]["path"]
        except (InvalidPathError, ValueError):
            # One key that this client has no notation for, such as `a//b`, costs it a whole page.
            if self.scheme != "s3":
                raise
            for found in self._pages_as_they_are(prefix, last):
                yield found["objects"]

    # What obstore cannot name, boto3 can ----------------------------------------------------------

    def _read_as_it_is(self, path: str) -> bytes:
        client, bucket, base = _plain_client(self.url, self.settings)
        with _as_obstore_has_it():
            return bytes(client.get_object(Bucket=bucket, Key=base + path)["Body"].read())

    def _pages_as_they_are(
        self, prefix: str, after: str | None, **options: str
    ) -> Iterator[dict[str, list[Any]]]:
        client, bucket, base = _plain_client(self.url, self.settings)
        if after is not None:
            options["StartAfter"] = base + after
        pages = client.get_paginator("list_objects_v2")
        with _as_obstore_has_it():
            for page in pages.paginate(Bucket=bucket, Prefix=base + prefix, **options):
                folders = page.get("CommonPrefixes", [])
                yield {
                    "common_prefixes": [
                        folder["Prefix"].removeprefix(base).rstrip("/") for folder in folders
                    ],
                    "objects": [
                        {
                            "path": entry["Key"].removeprefix(base),
                            "size": entry["Size"],
                            "last_modified": entry["LastModified"],
                            "e_tag": entry.get("ETag"),
                        }
                        for entry in page.get("Contents", [])
                    ],
                }


def _repeated(attempts: int, action: Callable[[], _T]) -> _T:
    """Do again what the client does not repeat by itself: what is sent by POST, and broken answers.

    Each action here may be done twice. What the client repeated in vain is not done again; but it
    may have repeated a request that was reset, and then not one whose answer broke off.
    """
    start = time.monotonic()
    for attempt in range(1, attempts):
        try:
            return action()
        except GenericError as error:
            said = str(error).partition("\n")[0]
            in_vain = re.search(r"after (\d+) retries, max_retries: \1\b", said)
            is_late = time.monotonic() - start > _PATIENCE.total_seconds()
            if "HTTP error" not in said or in_vain or is_late:
                raise
        time.sleep(random.uniform(0, min(0.1 * 2**attempt, 10)))  # noqa: S311 - no secret
    return action()


class _Object(io.RawIOBase):
    """An object as a file that can seek: each read asks for a range of it."""

    def __init__(self, bucket: Bucket, path: str) -> None:
        self._bucket, self._path = bucket, path
        with bucket._told(path):
            self._size = int(obstore.head(bucket._store, path)["size"])
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
            with self._bucket._told(self._path):
                store = self._bucket._store
                found = obstore.get_range(store, self._path, start=self._at, length=length)
            buffer[:length] = memoryview(found)
            self._at += length
        return length


def _objects(folder: str, pages: Iterable[Any]) -> Iterator[Listed]:
    """Yield what pages list, but for the empty object by which a tool marks the folder itself."""
    marker = folder.rstrip("/")
    for page in pages:
        for entry in page:
            if entry["size"] or entry["path"].rstrip("/") != marker:
                yield Listed(entry["path"], entry["size"], entry["last_modified"], entry["e_tag"])


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

    def __init__(self, store: ObjectStore, path: str, attempts: int) -> None:
        self._store, self._path, self._attempts = store, path, attempts
        self._said = {"machine": _machine(), "pid": os.getpid(), "run": uuid.uuid4().hex}
        self._tag: Any = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def take(self) -> None:
        """Take the lock, or raise BlockingIOError."""
        for _ in range(3):
            try:
                self._put("create")
                break
            except AlreadyExistsError:
                pass
            with suppress(FileNotFoundError):  # given back just now
                self._take_over()
                break
        else:
            raise BlockingIOError(errno.EWOULDBLOCK, "held", self._path)
        self._thread.start()

    def release(self) -> None:
        """Give the lock back, unless another has taken it over."""
        self._ended.set()
        self._thread.join(10)  # what it still writes then is refused: the lock is another, or gone
        with suppress(BaseError, OSError):
            if self._is_own():
                _repeated(self._attempts, lambda: obstore.delete(self._store, self._path))

    def renew(self) -> bool:
        """Renew the lock; say whether it was still this one's own."""
        try:
            self._put({"e_tag": self._tag})
        except (AlreadyExistsError, PreconditionError, FileNotFoundError):
            return False
        return True

    def _found(self) -> tuple[dict[str, Any], Any]:
        """Read who holds the lock, and what the store says of the object."""
        found = obstore.get(self._store, self._path)
        try:
            holder = dict(json.loads(bytes(found.bytes())))
        except (ValueError, TypeError):
            holder = {}  # written by something else
        return holder, found.meta

    def _take_over(self) -> None:
        holder, meta = self._found()
        if not _is_gone(holder) and self._age(meta["last_modified"]) < _LAPSE:
            raise BlockingIOError(errno.EWOULDBLOCK, "held", self._path)
        try:
            self._put({"e_tag": meta["e_tag"]})
        except PreconditionError:
            raise BlockingIOError(errno.EWOULDBLOCK, "held", self._path) from None

    def _age(self, since: datetime) -> float:
        """Return the seconds since then, by the store's clock: this machine's may differ."""
        probe = f"{self._path}-{uuid.uuid4().hex}"
        obstore.put(self._store, probe, b"")
        try:
            return (obstore.head(self._store, probe)["last_modified"] - since).total_seconds()
        finally:
            _repeated(self._attempts, lambda: obstore.delete(self._store, probe))

    def _put(self, mode: Any) -> None:
        """Write the object if it is what `mode` says, or if it is this one's own already."""
        body = json.dumps(self._said).encode()
        try:
            put = partial(obstore.put, self._store, self._path, body, mode=mode)
            self._tag = _repeated(self._attempts, put)["e_tag"]
        except (AlreadyExistsError, PreconditionError):
            # An answer was lost on its way, and what was asked again had been done.
            if not self._is_own():
                raise

    def _is_own(self) -> bool:
        holder, meta = self._found()
        if holder == self._said:
            self._tag = meta["e_tag"]
        return holder == self._said

    def _beat(self) -> None:
        while not self._ended.wait(_BEAT):
            with suppress(BaseError, OSError):
                if not self.renew():
                    return  # taken over while this process slept


def _machine() -> str:
    """Name this machine, and on Linux the container: where a process has its number.

    Names of hosts alone would not do: two laptops may have the same one.
    """
    known = [socket.gethostname(), f"{uuid.getnode():x}"]
    with suppress(OSError):
        known += [Path("/proc/sys/kernel/random/boot_id").read_text().strip()]
        known += [str(Path("/proc/self/ns/pid").stat().st_ino)]
    return " ".join(known)


def _is_gone(holder: Mapping[str, Any]) -> bool:
    """Say whether the process that holds a lock was on this machine and has ended."""
    if holder.get("machine") != _machine():
        return False
    try:
        os.kill(int(holder["pid"]), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError, KeyError, ValueError, TypeError):
        return False
    return False


@contextmanager
def _as_obstore_has_it() -> Iterator[None]:
    """Raise boto3's errors as obstore raises its own."""
    from botocore import exceptions as boto

    try:
        yield
    except boto.ClientError as error:
        code = error.response["Error"]["Code"]
        kinds: dict[str, type[Exception]] = {
            "NoSuchKey": FileNotFoundError,
            "AccessDenied": PermissionDeniedError,
        }
        raise kinds.get(code, GenericError)(f"<Code>{code}</Code>") from None
    except (boto.ConnectionError, boto.HTTPClientError):
        raise GenericError("error sending request") from None
    except boto.BotoCoreError as error:
        raise GenericError(str(error).rstrip(".")) from None


@cache
def _plain_client(url: str, settings: tuple[tuple[str, str], ...]) -> tuple[Any, str, str]:
    """Return a client that takes keys as they are, the bucket, and what its keys begin with."""
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config

    given = dict(settings)
    bucket, _, base = url.partition("://")[2].partition("/")
    endpoint = given.get("AWS_ENDPOINT_URL")
    config = Config(
        retries={"mode": "standard", "total_max_attempts": _attempts(given)},
        s3={"addressing_style": "path"} if endpoint else {},
        signature_version=UNSIGNED if _is_set(given, "AWS_SKIP_SIGNATURE") else None,
    )
    with _as_obstore_has_it():
        client = boto3.Session().client(
            "s3",
            endpoint_url=endpoint,
            region_name=given.get("AWS_REGION") or given.get("AWS_DEFAULT_REGION"),
            aws_access_key_id=given.get("AWS_ACCESS_KEY_ID"),
            aws_secret_access_key=given.get("AWS_SECRET_ACCESS_KEY"),
            aws_session_token=given.get("AWS_SESSION_TOKEN"),
            config=config,
        )
    return client, bucket, f"{base}/" if base else ""


def _attempts(settings: Mapping[str, str]) -> int:
    """Return how often a request is tried: AWS's own variable for it, or what is usual here."""
    try:
        return max(int(settings["AWS_MAX_ATTEMPTS"]), 1)
    except (KeyError, ValueError):
        return _ATTEMPTS


def _is_set(settings: Mapping[str, str], name: str) -> bool:
    return settings.get(name, "").lower() in ("1", "true", "yes", "on")


@cache
def _open(url: str, settings: tuple[tuple[str, str], ...]) -> ObjectStore:
    """Open a store once a process."""
    given = dict(settings)
    config = {key.lower(): given[key] for key in _CONFIG[url.partition("://")[0]] if key in given}
    client = {**_CLIENT, "allow_http": any(v.startswith("http://") for v in config.values())}
    options: dict[str, Any] = {}
    if url.startswith("s3://") and _wants_profile(given):
        import boto3
        from obstore.auth.boto3 import Boto3CredentialProvider

        with _as_obstore_has_it():
            options["credential_provider"] = Boto3CredentialProvider(boto3.Session())
    retry = {
        "max_retries": _attempts(given) - 1,
        "retry_timeout": _PATIENCE,
        "backoff": _BACKOFF,
    }
    options |= {"client_options": client, "retry_config": retry}
    scheme, _, place = url.partition("://")
    # A key is meant as it is written: `%20` is three characters of it.
    return cast(
        ObjectStore, cast(Any, from_url)(f"{scheme}://{quote(place)}", config=config, **options)
    )


# What obstore is told, for a worker on another machine has not the environment that this one has.
_CONFIG = {
    "s3": (
        "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION",
        "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_SKIP_SIGNATURE",
    ),
    "gs": (
        "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_KEY",
        "GOOGLE_BEARER_TOKEN", "GOOGLE_BASE_URL", "GOOGLE_SKIP_SIGNATURE",
    ),
    "az": (
        "AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_SAS_TOKEN",
        "AZURE_STORAGE_TOKEN", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID",
        "AZURE_AUTHORITY_HOST", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_STORAGE_ENDPOINT",
        "AZURE_STORAGE_USE_EMULATOR", "AZURE_SKIP_SIGNATURE",
    ),
}  # fmt: skip


def _wants_profile(settings: Mapping[str, str]) -> bool:
    """Say whether credentials stand in a file, which obstore does not read by itself."""
    if "AWS_ACCESS_KEY_ID" in settings or _is_set(settings, "AWS_SKIP_SIGNATURE"):
        return False
    files = (
        settings.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
        settings.get("AWS_CONFIG_FILE", "~/.aws/config"),
    )
    return "AWS_PROFILE" in settings or any(Path(file).expanduser().exists() for file in files)


_MEANING = {
    "NoSuchBucket": "there is no such bucket",
    "NoCredentials": "no credentials were found",
    "AccessDenied": "access denied",
    "InvalidAccessKeyId": "the access key is not known",
    "SignatureDoesNotMatch": "the secret key does not fit the access key",
    "ExpiredToken": "the credentials have expired",
    "InvalidToken": "the session token is not valid",
    "PermanentRedirect": "the bucket lies in another region",
    "AuthorizationHeaderMalformed": "the bucket lies in another region",
    "IllegalLocationConstraintException": "the bucket lies in another region",
    "SlowDown": "the store asks for fewer requests, and went on asking",
    "ContainerNotFound": "there is no such container",
    "NoAccount": "no storage account was named",
    "NoKeyFile": "the file with the service account's key cannot be read",
    "AuthenticationFailed": "the credentials were refused",
    "AuthorizationFailure": "the credentials were refused",
    "AuthorizationPermissionMismatch": "access denied",
}
_REMEDY = {
    "NoSuchBucket": "Check its name.",
    "ContainerNotFound": "Check its name.",
    "NoAccount": "Set AZURE_STORAGE_ACCOUNT_NAME.",
    "NoKeyFile": "Check GOOGLE_APPLICATION_CREDENTIALS.",
    "PermanentRedirect": "Set AWS_REGION to its region.",
    "AuthorizationHeaderMalformed": "Set AWS_REGION to its region.",
    "IllegalLocationConstraintException": "Set AWS_REGION to its region.",
}
_CREDENTIALS = {
    "s3": "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; "
    "AWS_SKIP_SIGNATURE=true for a public bucket.",
    "gs": "Set GOOGLE_APPLICATION_CREDENTIALS; GOOGLE_SKIP_SIGNATURE=true for a public bucket.",
    "az": "Set AZURE_STORAGE_ACCOUNT_KEY or another credential; "
    "AZURE_SKIP_SIGNATURE=true for a public container.",
}


def _code(error: Exception) -> str:
    """Find the provider's own word for what is wrong, or ours where it has none."""
    text = str(error)
    if "Account must be specified" in text:
        return "NoAccount"
    if "service account file" in text:
        return "NoKeyFile"
    if "Received redirect" in text or "301 Moved" in text:
        return "PermanentRedirect"
    if "169.254.169.254" in text:  # where a machine asks for its role, when all else has failed
        return "NoCredentials"
    found = re.search(r"<Code>(\w+)</Code>|\(code: (\w+)\)", text)
    return next((code for code in found.groups() if code), "") if found else ""


_PERMISSIONS = {
    "s3": "s3:ListBucket, GetObject, PutObject, DeleteObject",
    "gs": "storage.objects.list, storage.objects.get",
    "az": "the role Storage Blob Data Reader has them",
}
_ANONYMOUS = {
    "s3": "AWS_SKIP_SIGNATURE", "gs": "GOOGLE_SKIP_SIGNATURE", "az": "AZURE_SKIP_SIGNATURE",
}  # fmt: skip


def _remedy(code: str, scheme: str, settings: Mapping[str, str]) -> str:
    if code == "NoCredentials":
        return _CREDENTIALS[scheme]
    if code in ("AccessDenied", "AuthorizationPermissionMismatch"):
        if _is_set(settings, name := _ANONYMOUS[scheme]):
            return f"{name} is set, so that no credentials were given: this takes some."
        return f"The credentials lack a permission here ({_PERMISSIONS[scheme]})."
    if code in _REMEDY:
        return _REMEDY[code]
    if code in _MEANING and code != "SlowDown":
        return "Renew the credentials, and run again: what is finished is kept."
    return "Run again when it answers: what is finished is kept."


def _meaning(error: Exception) -> str:
    """Say in a few words what is wrong; what the client prints goes on for a page."""
    if code := _code(error):
        return _MEANING.get(code, code)
    text = str(error).split("\n")[0]
    if "error sending request" in text or "response body error" in text:
        return "the endpoint does not answer"
    return re.sub(r"https?://\S+", "…", text)[:200]
