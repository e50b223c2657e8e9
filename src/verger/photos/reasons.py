"""Why a photo is rejected: a closed, documented set, and which reasons may go away."""

from __future__ import annotations

import errno
from enum import StrEnum


class Reason(StrEnum):
    """The reason of a reject, as it stands in the column `reason`."""

    EMPTY = "empty"
    NOT_AN_IMAGE = "not_an_image"
    TRUNCATED = "truncated"
    DAMAGED = "damaged"
    TOO_LARGE = "too_large"
    UNSUPPORTED = "unsupported"
    UNREADABLE = "unreadable"
    UNAVAILABLE = "unavailable"
    BAD_NAME = "bad_name"
    LEFT_OUT = "left_out"

    @property
    def meaning(self) -> str:
        """One line that says what the reason means, and what to do."""
        return _MEANING[self]

    @property
    def passes(self) -> bool:
        """Say whether it may go away by itself: then each later run tries the photo again."""
        return self is Reason.UNAVAILABLE


_MEANING = {
    Reason.EMPTY: "The file has 0 bytes. Copy it again from its source.",
    Reason.NOT_AN_IMAGE: "The content is not an image that Verger can read, whatever its name.",
    Reason.TRUNCATED: "The image ends too early. Copy it again from its source.",
    Reason.DAMAGED: "The image is complete in length, but its content cannot be decoded.",
    Reason.TOO_LARGE: "More pixels than --max-pixels, more bytes than --max-bytes (or than a web "
    "server may send), or so many parts that decoding it would take far more work than a photo.",
    Reason.UNSUPPORTED: "An image of a known kind, in a variant that cannot be shown as RGB.",
    Reason.UNREADABLE: "There is nothing to read: no such photo (404 or 410 on the web), a broken "
    "link, not a regular file, an address that cannot be fetched.",
    Reason.UNAVAILABLE: "It could not be read this time: permission, a time-out, a busy or broken "
    "server, a failing disk. Each later run tries it again.",
    Reason.BAD_NAME: "The file's name is not valid Unicode; the path shows its bytes escaped.",
    Reason.LEFT_OUT: "A person left it out; `verger relabel STORE --undo` reverts that.",
}


# What a disk, a bucket or a server says of the photo itself. All else may pass: a permission is
# granted without a trace on the photo, and a server or a disk that fails says nothing of it.
_FINAL = frozenset({
    errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL,
    errno.ENXIO, errno.ENODEV,
})  # fmt: skip


def reason_of(error: OSError) -> Reason:
    """Say why a photo is rejected that could not be read: for good, or this time."""
    if error.errno == errno.EFBIG:
        return Reason.TOO_LARGE
    return Reason.UNREADABLE if error.errno in _FINAL else Reason.UNAVAILABLE


class Reject(Exception):
    """Raised while one photo is read: its reason, and a detail for a person."""

    def __init__(self, reason: Reason, detail: str) -> None:
        self.reason = reason
        self.detail = " ".join(detail.split())[:200]
        super().__init__(f"{reason}: {self.detail}")
