"""Listing the photos of a bucket, from the keys of its objects."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from operator import itemgetter

from verger.photos.labels import Labeller
from verger.photos.reasons import Reason
from verger.photos.references import EXTENSIONS, STORE_MARK, PhotoRef

_MARKED = f"{STORE_MARK}/"


def refs_of_objects(
    objects: Iterable[tuple[str, int, dt.datetime, str | None]],
    labeller: Labeller,
    exists: Callable[[str], bool],
) -> Iterator[PhotoRef]:
    """Make a reference of each object (path, bytes, modified, ETag) whose name is that of a photo.

    Objects come in order of path, and so do references, each path once. `exists` is asked of empty
    objects, among which there are those that stand for a folder: these are no photos, even if the
    folder is called `x.jpg`. Where it may not be asked (OSError), the object is taken for a photo.
    """
    for path, same in groupby(objects, key=itemgetter(0)):
        if not path.lower().endswith(EXTENSIONS) or path.startswith(_MARKED):
            continue
        # `x.jpg/` beside `x.jpg`: the client lists both by the same name.
        _, size, modified, e_tag = max(same, key=itemgetter(1))
        when = modified.astimezone(dt.UTC)
        if size:
            yield PhotoRef(path, labeller(path), size, when, e_tag=e_tag)
        elif _is_there(path, exists):
            yield PhotoRef(path, labeller(path), 0, when, Reason.EMPTY, "zero bytes", e_tag)


def _is_there(path: str, exists: Callable[[str], bool]) -> bool:
    try:
        return exists(path)
    except OSError:
        return True
