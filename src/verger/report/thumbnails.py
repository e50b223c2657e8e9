"""Thumbnails for the page. All are decoded and encoded again, as a STORE may come from anywhere."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from PIL import Image

from verger.photos.decode import THUMBNAIL_SIDE

TILE, LARGE_TILE = 48, 96  # pixels a side, of a thumbnail on the map
TILES_A_ROW = 32
_THREADS = 2  # Pillow lets go of Python's lock while it encodes a sheet: two take 0.65 of the time
_FEW = 1_200
_PAPER = (244, 244, 240)
_SHEET_QUALITY, _PICTURE_QUALITY = 62, 74


@dataclass(frozen=True, slots=True)
class Picture:
    """One thumbnail as a data URI, with its size in pixels."""

    uri: str
    width: int
    height: int


def picture(thumbnail: bytes) -> Picture | None:
    """Return a thumbnail for the page; None where it cannot be opened."""
    image = opened(thumbnail)
    if image is None:
        return None
    return Picture(_uri(webp(image, _PICTURE_QUALITY)), image.width, image.height)


class Sheets:
    """Small thumbnails laid out on sheets of 32 × 32 tiles, in threads that begin at once.

    tile: pixels a side; few have larger ones
    """

    def __init__(self, thumbnails: Sequence[bytes]) -> None:
        a_sheet = TILES_A_ROW**2
        self._parts = [thumbnails[at : at + a_sheet] for at in range(0, len(thumbnails), a_sheet)]
        self.tile = tile = LARGE_TILE if len(thumbnails) <= _FEW else TILE
        threads = ThreadPoolExecutor(_THREADS)
        self._whole = [threads.submit(_sheet, part, tile) for part in self._parts]
        threads.shutdown(wait=False)

    def within(self, most_bytes: int) -> tuple[list[str], int]:
        """Return sheets as data URIs, as many as fit, and how many thumbnails are on them."""
        out: list[str] = []
        left, placed = most_bytes, 0
        for part, whole in zip(self._parts, self._whole, strict=True):
            some, uri = part, whole.result()
            while len(uri) > left and len(some) > TILES_A_ROW:
                some = some[: min(len(some) * left // len(uri), len(some) - TILES_A_ROW)]
                uri = _sheet(some, self.tile) if some else ""
            if not some or len(uri) > left:
                break
            out.append(uri)
            left -= len(uri)
            placed += len(some)
            if len(some) < len(part):
                break
        return out, placed


def _sheet(thumbnails: Sequence[bytes], tile: int) -> str:
    rows = -(-len(thumbnails) // TILES_A_ROW)
    paper = Image.new("RGB", (tile * TILES_A_ROW, tile * rows), _PAPER)
    for at, thumbnail in enumerate(thumbnails):
        image = opened(thumbnail, tile)
        if image is not None:
            image.thumbnail((tile, tile), Image.Resampling.BOX)
            row, column = divmod(at, TILES_A_ROW)
            left = column * tile + (tile - image.width) // 2
            paper.paste(image, (left, row * tile + (tile - image.height) // 2))
    return _uri(webp(paper, _SHEET_QUALITY))


def opened(thumbnail: bytes, side: int = THUMBNAIL_SIDE, mode: str = "RGB") -> Image.Image | None:
    """Open a thumbnail, decoded as small as `side` pixels allow; None where it cannot be.

    Mode "L", levels of grey, takes half of the time: what a JPEG says of colour is passed over.
    """
    try:
        with Image.open(io.BytesIO(thumbnail), formats=("JPEG",)) as image:
            if max(image.size) > THUMBNAIL_SIDE:
                return None
            image.draft(mode, (side, side))
            plain = image.convert(mode)
            plain.info = {}  # a comment of the photo, which an older Verger let pass
            return plain
    except (OSError, ValueError, SyntaxError):
        return None


def webp(image: Image.Image, quality: int) -> bytes:
    """Encode a picture as WebP, of a quality up to 100."""
    out = io.BytesIO()
    image.save(out, "WEBP", quality=quality, method=2)  # 4: 3% smaller, for twice the time
    return out.getvalue()


def _uri(data: bytes) -> str:
    return "data:image/webp;base64," + base64.b64encode(data).decode()
