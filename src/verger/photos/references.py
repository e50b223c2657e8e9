"""Photos that were listed, and not opened yet.

A reference is (path, label, bytes, modified, reason, detail, e_tag). `reason` is null but for what
the listing itself shows to be unusable, which is carried on and becomes a reject like any other, so
that nothing listed is ever lost.
"""

from __future__ import annotations

import datetime as dt
import os
from typing import NamedTuple

EXTENSIONS = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif",
    ".heic", ".heif", ".hif", ".avif",
)  # fmt: skip
STORE_MARK = ".verger"  # the folder that marks a STORE; listing never descends into one


class PhotoRef(NamedTuple):
    """One photo, listed but not opened."""

    path: str  # relative to PHOTOS, with slashes
    label: str | None
    bytes: int
    modified: dt.datetime  # UTC
    reason: str | None = None
    detail: str | None = None
    e_tag: str | None = None  # what an object store says of the content; a folder says nothing


def escaped(text: str) -> str:
    """Write a name with the bytes in it that are no UTF-8 as hexadecimal escapes."""
    return os.fsencode(text).decode("utf-8", errors="backslashreplace")
