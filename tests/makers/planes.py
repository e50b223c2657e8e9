"""TIFFs with a plane for each colour, written by hand: Pillow writes none."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image

from pictures import smooth

IMAGE = smooth(120, 90)
COLOURS = np.asarray(IMAGE)
SHADES = np.asarray(IMAGE.convert("L"))
HALF = np.full(SHADES.shape, 128, np.uint8)
RAW, DEFLATE = 1, 8
_ALPHA = np.dstack([COLOURS, HALF])
_MULTIPLIED = np.dstack([(COLOURS * 128.0 / 255).astype(np.uint8), HALF])

# What is seen of each, by name.
SEEN = {
    "shades": SHADES,
    "shades over white": (SHADES * (128 / 255) + 127).astype(np.uint8),  # half transparent
    "small waves": COLOURS,
    "small waves over white": (COLOURS * (128 / 255) + 127).astype(np.uint8),
    "small waves as YCbCr": np.asarray(Image.fromarray(COLOURS, "YCbCr").convert("RGB")),
}
# Values, photometric interpretation, meaning of the values beyond it; what is seen of them.
READ = {
    "shades": (SHADES[..., None], 1, (), "shades"),
    "RGB": (COLOURS, 2, (), "small waves"),
    "RGB and an alpha": (_ALPHA, 2, (2,), "small waves over white"),
    "RGB multiplied by an alpha": (_MULTIPLIED, 2, (1,), "small waves over white"),
    "CMYK": (np.asarray(IMAGE.convert("CMYK")), 5, (), "small waves"),
}
LAYOUTS: tuple[tuple[tuple[int, int], bool], ...] = (
    ((90, 120), False), ((17, 120), False), ((32, 48), True), ((96, 128), True),
)  # fmt: skip

# Ways to store them that differ in bits, order of bytes, strips or tiles, and compression.
STORED: dict[str, dict[str, Any]] = {
    "8 bits": {},
    "16 bits, big-endian, in strips": {"bits": 16, "order": ">", "layout": LAYOUTS[1]},
    "16 bits, in deflated tiles": {
        "bits": 16, "compression": DEFLATE, "predictor": 2, "layout": LAYOUTS[2],
    },
}  # fmt: skip


def planes(
    values: np.ndarray, photometric: int, extra: tuple[int, ...] = (), *, bits: int = 8,
    order: str = "<", compression: int = RAW, predictor: int = 1, fill_order: int = 1,
    layout: tuple[tuple[int, int], bool] = LAYOUTS[0],
) -> bytes:  # fmt: skip
    """A TIFF of values of eight bits, kept in `bits`; `layout`: rows and columns of a strip or
    tile, and whether they are tiles."""
    (high, wide), tiled = layout
    height, width, samples = values.shape
    deep = values.astype(np.uint32) * {8: 1, 16: 257}[bits]
    parts = []
    for plane in np.moveaxis(deep, 2, 0):
        for top in range(0, height, high):
            for left in range(0, width, wide):
                part = plane[top : top + high, left : left + wide]
                if tiled:
                    missing = (high - part.shape[0], wide - part.shape[1])
                    part = np.pad(part, [(0, side) for side in missing])
                if predictor == 2:
                    part = np.diff(part, axis=1, prepend=0)
                raw = part.astype(f"{order}u{bits // 8}").tobytes()
                parts.append(zlib.compress(raw) if compression == DEFLATE else raw)
    lengths = [len(part) for part in parts]
    fields = {256: [width], 257: [height], 258: [bits] * samples, 259: [compression],
              262: [photometric], 266: [fill_order], 277: [samples], 284: [2],
              317: [predictor]}  # fmt: skip
    fields |= {322: [wide], 323: [high], 325: lengths} if tiled else {278: [high], 279: lengths}
    fields |= {338: list(extra)} if extra else {}
    places = 324 if tiled else 273
    fields[places] = [0] * len(parts)
    blob_at = 8 + 2 + 12 * len(fields) + 4
    start = blob_at + sum(4 * len(numbers) for numbers in fields.values() if len(numbers) > 1)
    fields[places] = [start + sum(lengths[:i]) for i in range(len(parts))]
    table, blob = struct.pack(order + "H", len(fields)), b""
    for tag, numbers in sorted(fields.items()):
        kind, code = (3, "H") if tag in (258, 338) else (4, "I")
        raw = struct.pack(f"{order}{len(numbers)}{code}", *numbers)
        place = raw.ljust(4, b"\0")
        if len(raw) > 4:
            place = struct.pack(order + "I", blob_at + len(blob))
        if len(numbers) > 1:
            blob += raw.ljust(4 * len(numbers), b"\0")
        table += struct.pack(order + "HHI", tag, kind, len(numbers)) + place
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    return head + table + bytes(4) + blob + b"".join(parts)


INVERTED = planes(255 - SHADES[..., None], 0)  # "shades"
UNDECLARED = planes(_ALPHA, 2)  # an alpha: "small waves over white"
# Whole files that are `unsupported`, and what is seen of them by who reads them.
UNREAD = {
    "shades and an alpha": (planes(np.dstack([SHADES, HALF]), 1, (2,)), "shades over white"),
    "shades and an alpha, compressed": (
        planes(np.dstack([SHADES, HALF]), 1, (2,), compression=DEFLATE), "shades over white",
    ),
    "an alpha that is not declared": (planes(_ALPHA, 2, bits=16), "small waves over white"),
    "an alpha that is not declared, compressed": (
        planes(_ALPHA, 2, compression=DEFLATE), "small waves over white",
    ),
    "YCbCr": (planes(COLOURS, 6), "small waves as YCbCr"),
}  # fmt: skip
