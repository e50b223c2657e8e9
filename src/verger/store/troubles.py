"""OSErrors in the middle of a run, told in a line that names the file or the disk."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from verger.errors import StoreError, VergerError
from verger.texts.command import say

_FULL = (errno.ENOSPC, errno.EDQUOT)
# Not every system has all of them.
_FAILING = {getattr(errno, name, None) for name in ("EIO", "ENXIO", "ESTALE", "EREMOTEIO")} - {None}


@contextmanager
def troubles_told(store: str, scratch: str = "") -> Iterator[None]:
    """Tell an OSError in a line; one of no file (a broken pipe, a lock) passes through."""
    try:
        yield
    except (BrokenPipeError, BlockingIOError):
        raise
    except OSError as error:
        raise told_of(error, store, scratch) from None


def told_of(error: OSError, store: str, scratch: str = "") -> VergerError:
    """Name the file or disk that failed: a `StoreError` if it is STORE's, else a `VergerError`."""
    path = str(error.filename or "")
    if error.filename2 and error.errno in _FULL:  # a copy: it is the target's disk
        path = str(error.filename2)
    if not path and error.errno in _FULL:
        path = _fullest([store, scratch or tempfile.gettempdir()])
    in_store = not path or path == store or _lies_in(path, store)
    kind = StoreError if in_store else VergerError
    if error.errno in _FULL:
        where = store if in_store else path
        return kind(f"The disk of {where} is full.", hint="Free some space, and run again.")
    said = error.strerror or str(error)
    if error.errno in _FAILING:
        said = os.strerror(error.errno or errno.EIO)  # Arrow's own words say no more
        hint = "The disk may be failing, or a network share is gone: check it, and run again."
        return kind(f"{path or store}{say(': ')}{say(said)}.", hint=hint)
    if Path(path).is_file() and not os.access(path, os.R_OK):
        return kind(f"{path} cannot be read: {said}.")
    if in_store:
        return kind(f"Cannot write to {path or store}: {said}.")
    return kind(f"{path}{say(': ')}{say(said)}.")


def _fullest(places: list[str]) -> str:
    """Return the place whose disk has least room: a failed write does not say which was full."""
    return min(places, key=_free)


def _free(place: str) -> int:
    for path in (Path(place), *Path(place).parents):
        try:
            found = os.statvfs(path)
        except OSError:
            continue
        return found.f_bavail * found.f_frsize
    return 0


def _lies_in(path: str, store: str) -> bool:
    inner, outer = Path(path).absolute(), Path(store).absolute()
    return outer in inner.parents
