"""The blocks of a GIF."""

from __future__ import annotations

_MOST_BLOCKS = 10_000
_MOST_BYTES = 2**20
_EXTENSION, _PICTURE = 0x21, 0x2C


def begins_soon(data: bytes) -> bool:
    """Say whether the first picture comes after blocks that are few and short.

    Pillow joins comments one by one, each time copying all that came before.
    """
    if len(data) < 13:
        return True
    start = at = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    for _ in range(_MOST_BLOCKS):
        if at - start > _MOST_BYTES:
            return False
        if at >= len(data) or data[at] == _PICTURE:
            return True
        if data[at] != _EXTENSION:
            at += 1
            continue
        at += 2
        while at < len(data) and data[at]:
            at += 1 + data[at]
            if at - start > _MOST_BYTES:
                return False
        at += 1
    return False
