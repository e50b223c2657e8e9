"""Listing the photos of a bucket, from the keys of its objects."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator

from verger.photos.reasons import Reason
from verger.photos.source import EXTENSIONS, STORE_MARK, Labeller, PhotoRef

_MARKED = f"{STORE_MARK}/"


def refs_of_objects(
    objects: Iterable[tuple[str, int, dt.datetime]],
    labeller: Labeller,
    exists: Callable[[str], bool],
) -> Iterator[PhotoRef]:
    """Make a reference of each object (path, bytes, modified) whose name is that of a photo.

    `exists` is asked of empty objects, among which there are those that stand for a folder: these
    are no photos, even if the folder is called `x.jpg`.
    """
    for path, size, modified in objects:
        if not path.lower().endswith(EXTENSIONS) or path.startswith(_MARKED):
            continue
        when = modified.astimezone(dt.UTC)
        if size:
            yield PhotoRef(path, labeller(path), size, when)
        elif exists(path):
            yield PhotoRef(path, labeller(path), 0, when, Reason.EMPTY, "zero bytes")
