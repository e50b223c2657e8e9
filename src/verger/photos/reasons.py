"""Why a photo is rejected: a closed, documented set."""

from __future__ import annotations

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
    BAD_NAME = "bad_name"

    @property
    def meaning(self) -> str:
        """One line that says what the reason means, and what to do."""
        return _MEANING[self]


_MEANING = {
    Reason.EMPTY: "The file holds no byte. Copy it again from where it came.",
    Reason.NOT_AN_IMAGE: "The content is no image of a kind that Verger reads, whatever its name.",
    Reason.TRUNCATED: "The image ends too early. Copy it again from where it came.",
    Reason.DAMAGED: "The image is complete in length, but its content cannot be decoded.",
    Reason.TOO_LARGE: "More pixels than --max-pixels, more bytes than --max-bytes, or so many "
    "parts that decoding it would take far more work than a photo.",
    Reason.UNSUPPORTED: "An image of a known kind, in a variant that cannot be shown as RGB.",
    Reason.UNREADABLE: "The file or folder cannot be read: permission, broken link, disk error.",
    Reason.BAD_NAME: "The file's name is not valid Unicode; the path shows its bytes escaped.",
}


class Reject(Exception):
    """Raised while one photo is read: its reason, and a detail for a person."""

    def __init__(self, reason: Reason, detail: str) -> None:
        self.reason = reason
        self.detail = " ".join(detail.split())[:200]
        super().__init__(f"{reason}: {self.detail}")
