"""The files of a run, as its record lists them: each with its size and its SHA-256.

Whoever opens a STORE looks at all sizes, and reads what is small; `verger verify` reads everything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from verger.errors import StoreError
from verger.storage.checksum import Content
from verger.storage.place import Place
from verger.store.defects import MISSING, Finding, finding
from verger.store.layout import RECORD, is_part

Files = Mapping[str, Content]

SMALL = 2**20  # bytes: what is read, and its SHA-256 compared, when a STORE is opened


def listed_in(record: Mapping[str, Any]) -> dict[str, Content]:
    """Return the files that a record lists, by path; an older Verger listed none.

    Raises `StoreError` where the list is none.
    """
    try:
        files = {
            str(path): Content(int(entry["bytes"]), entry["sha256"])
            for path, entry in record.get("manifest", {}).items()
        }
    except (KeyError, TypeError, ValueError, AttributeError):
        files = {"": Content(0, None)}
    if not all(map(is_part, files)):
        raise StoreError(
            f"The list of files in {RECORD} is damaged.", hint=finding(RECORD, "").remedy
        )
    return files


def as_listed(files: Files) -> dict[str, Any]:
    """Return the list as it stands in a record."""
    return {path: content._asdict() for path, content in sorted(files.items())}


def looked_over(place: Place, files: Files, tops: Iterable[str]) -> list[Finding]:
    """Look at the files below `tops`: at the size of each, and at all of those that are small."""
    tops = set(tops)
    mine = {path: content for path, content in files.items() if path.split("/")[0] in tops}
    wrong = missized(place, mine)
    fit = mine.keys() - {found.where for found in wrong}
    small = {path: mine[path] for path in sorted(fit) if mine[path].bytes <= SMALL}
    with ThreadPoolExecutor(place.reads_at_once) as threads:
        found = threads.map(lambda path: altered(place, path, small[path]), small)
        return wrong + [one for one in found if one is not None]


def missized(place: Place, files: Files) -> list[Finding]:
    """Name the files that are missing, or not as large as they were."""
    sizes: dict[str, int] = {}
    for folder in sorted({path.rpartition("/")[0] for path in files}):
        sizes |= place.sizes(folder)
    wrong = []
    for path, content in files.items():
        if path not in sizes:
            wrong.append(finding(path, MISSING))
        elif (size := sizes[path]) != content.bytes:
            what = f"has {size:,} bytes, where the run left {content.bytes:,}"
            wrong.append(finding(path, what))
    return wrong


def altered(place: Place, path: str, content: Content) -> Finding | None:
    """Read a file; say so if it is not what it was."""
    try:
        sha256 = sha256_of(place, path)
    except FileNotFoundError:
        return finding(path, MISSING)
    except OSError as error:
        return finding(path, f"cannot be read ({error.strerror or error})")
    if content.sha256 in (None, sha256):
        return None
    return finding(path, "is not what the run wrote: its SHA-256 differs")


def sha256_of(place: Place, path: str) -> str:
    """Read all of a file, and return its SHA-256 in hexadecimal."""
    sha256 = hashlib.sha256()
    for piece in place.pieces(path):
        sha256.update(piece)
    return sha256.hexdigest()
