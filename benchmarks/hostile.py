"""What nobody should send: bodies that are malformed, and photos that are damaged."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

CONTENT_TYPE = "multipart/form-data; boundary=frontier"
Maker = Callable[[random.Random], bytes]


def body(photos: Sequence[bytes], field_name: bytes = b"photos") -> bytes:
    """Return the multipart body of an upload."""
    parts = b"".join(
        b'--frontier\r\nContent-Disposition: form-data; name="%s"; filename="a.jpg"\r\n\r\n%s\r\n'
        % (field_name, photo)
        for photo in photos
    )
    return parts + b"--frontier--\r\n"


def hostile_bodies(photos: Sequence[bytes]) -> list[Maker]:
    """Return makers of bodies that nobody should send, each by a chance that is given."""

    def truncated(chance: random.Random) -> bytes:
        photo = chance.choice(photos)
        return body([photo[: chance.randrange(1, len(photo))]])

    def damaged(chance: random.Random) -> bytes:
        photo = bytearray(chance.choice(photos))
        for _ in range(50):
            photo[chance.randrange(len(photo))] = chance.randrange(256)
        return body([bytes(photo)])

    def unfinished(chance: random.Random) -> bytes:
        return body([chance.choice(photos)])[:-15]

    return [
        truncated,
        damaged,
        unfinished,
        lambda chance: chance.randbytes(chance.randrange(100_000)),
        lambda chance: body([chance.randbytes(1000)]),
        lambda chance: body([chance.choice(photos)] * 6),
        lambda chance: body([chance.choice(photos)], b"other"),
        lambda _: body([b"GIF89a" + b"\xff" * 12]),
        lambda chance: body([chance.choice(photos), b""]),
    ]
