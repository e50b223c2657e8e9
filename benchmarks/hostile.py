"""What nobody should send: bodies that are malformed, photos that are damaged, and bombs."""

from __future__ import annotations

import random
import struct
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


def scan_bomb(side: int = 6000, scans: int = 10_000) -> bytes:
    """Return a progressive JPEG, grey, whose scans add nothing, and are about all blocks each.

    57 bytes a scan of 36 megapixels take a decoder some 30 ms: 570 kB keep it busy for minutes.
    """
    blocks = ((side + 7) // 8) ** 2
    runs = "".join("0" + "1" * 14 for _ in range(blocks // 32767 + 1))  # "nothing in 32,767 blocks"
    first = _segment(0xDA, b"\1\1\0\0\0\0") + _packed("0" * blocks)
    more = _segment(0xDA, b"\1\1\0\1\x3f\0") + _packed(runs)
    return b"".join(
        (
            b"\xff\xd8",
            _segment(0xDB, b"\0" + b"\x10" * 64),
            _segment(0xC2, struct.pack(">BHHB", 8, side, side, 1) + b"\1\x11\0"),
            _segment(0xC4, b"\x00\1" + bytes(15) + b"\x00"),  # the code 0: no difference
            _segment(0xC4, b"\x10\1" + bytes(15) + b"\xe0"),  # the code 0: a run, 14 bits long
            first,
            more * scans,
            b"\xff\xd9",
        )
    )


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def _packed(bits: str) -> bytes:
    bits += "1" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
