"""What a bucket lists, page by page, several folders at once; and the photos among it."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

import obstore
import pyarrow as pa
from obstore.exceptions import GenericError, InvalidPathError

from verger.photos.labels import Labeller
from verger.photos.reasons import Reason
from verger.photos.references import EXTENSIONS, STORE_MARK, PhotoRef
from verger.photos.selection import Selection
from verger.storage import limits
from verger.storage.bucket_client import Client
from verger.storage.bucket_errors import as_obstore_has_it

_MARKED = f"{STORE_MARK}/"


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


def walk(client: Client, prefix: str) -> Generator[Listed, None, None]:
    """List below `prefix`; where that is folders, several of them at once."""
    first: list[Any] = next(pages_of(client, prefix), [])
    names = (entry["path"].removeprefix(prefix).lstrip("/") for entry in first)
    below = next(filter(None, names), "")
    if "/" not in below:  # photos lie right here, perhaps millions: one stream
        yield from objects_of(prefix, pages_of(client, prefix))
        return
    folders, loose = level_of(client, prefix)
    if len(folders) == 1 and not loose:
        yield from walk(client, f"{folders[0]}/")
        return
    yield from loose
    with ExitStack() as stack:
        started: deque[Iterator[Listed]] = deque()
        for folder in (f"{name}/" for name in folders):
            pages = stack.enter_context(_ahead(partial(pages_of, client, folder)))
            started.append(objects_of(folder, pages))
            if len(started) == limits.PREFIXES_AT_ONCE:
                yield from started.popleft()
        for objects in started:
            yield from objects


def level_of(client: Client, folder: str) -> tuple[list[str], list[Listed]]:
    """Return the folders and the objects right in a folder."""
    try:
        found: Any = client.again(lambda: obstore.list_with_delimiter(client.store, folder or None))
    except (InvalidPathError, ValueError):
        if client.scheme != "s3":
            raise
        prefix = f"{folder.rstrip('/')}/" if folder else ""
        pages = list(_pages_as_they_are(client, prefix, None, Delimiter="/"))
        found = {
            "common_prefixes": [name for page in pages for name in page["common_prefixes"]],
            "objects": [entry for page in pages for entry in page["objects"]],
        }
    return found["common_prefixes"], list(objects_of(folder, [found["objects"]]))


def pages_of(client: Client, prefix: str) -> Iterator[Any]:
    """List below a prefix, a page at a time, as the server has it."""
    last: str | None = None
    pages: Iterator[Any] | None = None

    def next_page() -> Any:
        nonlocal pages
        if pages is None:
            pages = iter(obstore.list(client.store, prefix or None, offset=last, chunk_size=1000))
        try:
            return next(pages, None)
        except GenericError:
            pages = None  # it has ended; another goes on after the last page
            raise

    try:
        while (page := client.again(next_page)) is not None:
            yield page
            last = page[-1]["path"]
    except (InvalidPathError, ValueError):
        # One key that this client has no notation for, such as `a//b`, costs it a whole page.
        if client.scheme != "s3":
            raise
        for found in _pages_as_they_are(client, prefix, last):
            yield found["objects"]


def _pages_as_they_are(
    client: Client, prefix: str, after: str | None, **options: str
) -> Iterator[dict[str, list[Any]]]:
    plain, bucket, base = client.plain()
    if after is not None:
        options["StartAfter"] = base + after
    pages = plain.get_paginator("list_objects_v2")
    with as_obstore_has_it():
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


def objects_of(folder: str, pages: Iterable[Any]) -> Iterator[Listed]:
    """Yield what pages list, but for the empty object by which a tool marks the folder itself."""
    marker = folder.rstrip("/")
    for page in pages:
        for entry in page:
            if entry["size"] or entry["path"].rstrip("/") != marker:
                yield Listed(entry["path"], entry["size"], entry["last_modified"], entry["e_tag"])


@contextmanager
def _ahead(pages: Callable[[], Iterator[Any]]) -> Iterator[Iterator[Any]]:
    """Have a thread read pages, a few ahead of whoever takes them."""
    read: queue.Queue[Any] = queue.Queue(limits.PAGES_AHEAD)
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


def refs_of_objects(
    objects: Iterable[tuple[str, int, datetime, str | None]],
    labeller: Labeller,
    selection: Selection,
    exists: Callable[[str], bool],
) -> Generator[PhotoRef, None, None]:
    """Make a reference of each object (path, bytes, modified, ETag) whose name is that of a photo.

    References come as objects do, each path once. `exists` is asked of empty
    objects, among which there are those that stand for a folder: these are no photos, even if the
    folder is called `x.jpg`. Where it may not be asked (OSError), the object is taken for a photo.
    """
    for path, same in groupby(objects, key=itemgetter(0)):
        # `x.jpg/` beside `x.jpg`: the client lists both by the same name.
        _, size, modified, e_tag = max(same, key=itemgetter(1))
        is_folder = not size and not path.lower().endswith(EXTENSIONS)
        if is_folder or path.startswith(_MARKED) or not selection.takes(path):
            continue
        when = modified.astimezone(UTC)
        if size:
            yield PhotoRef(path, labeller(path), size, when, e_tag=e_tag)
        elif _is_there(path, exists):
            yield PhotoRef(path, labeller(path), 0, when, Reason.EMPTY, "zero bytes", e_tag)


def _is_there(path: str, exists: Callable[[str], bool]) -> bool:
    try:
        return exists(path)
    except OSError:
        return True
