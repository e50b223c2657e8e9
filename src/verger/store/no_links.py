"""A STORE may come from a stranger: nothing in it leads out of it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from verger.errors import StoreError
from verger.photos.references import STORE_MARK
from verger.storage.place import Place
from verger.store.layout import (
    CORRECTIONS,
    FEATURES,
    GALLERY,
    MATRIX,
    MATRIX_CSV,
    PROJECTION,
    RECORD,
    REJECTS,
    REPORT,
)

_OURS = (
    STORE_MARK, FEATURES, REJECTS, MATRIX, MATRIX_CSV, PROJECTION, GALLERY, RECORD, REPORT,
    CORRECTIONS,
)  # fmt: skip


def refuse_links(place: Place) -> None:
    """Refuse a STORE with a link in it, or a file that is no plain one: none is ever followed.

    The STORE itself may be named by a link. Raises `StoreError`.
    """
    if place.scheme != "file":
        return  # no object of a bucket is another
    left = [Path(str(place)) / name for name in _OURS]
    while left:
        path = left.pop()
        try:
            mode = path.lstat().st_mode
            if stat.S_ISDIR(mode):
                left += [Path(entry) for entry in os.scandir(path)]
        except OSError:
            continue  # there is none, or whoever opens it is told why it cannot be
        if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
            if stat.S_ISLNK(mode):
                raise StoreError(
                    f"{path} is a link; links in a STORE are not followed.",
                    hint="Replace it with what it points to.",
                )
            raise StoreError(
                f"{path} is neither a file nor a folder; a STORE holds nothing else.",
                hint="Remove it.",
            )
