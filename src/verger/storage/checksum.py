"""What a file in a place holds, in a few bytes."""

from __future__ import annotations

from typing import NamedTuple


class Content(NamedTuple):
    """The size of a file, and its SHA-256 in hexadecimal, where the place knows it."""

    bytes: int
    sha256: str | None

    def fits(self, other: Content) -> bool:
        """Say whether another file holds the same, as far as is known of both."""
        both = self.sha256, other.sha256
        return self.bytes == other.bytes and (None in both or both[0] == both[1])
