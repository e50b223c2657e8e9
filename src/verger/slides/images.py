"""Pictures for slides, as JPEG or PNG. Thumbnails are decoded and encoded again."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageOps

from verger.photos.decode import THUMBNAIL_SIDE
from verger.report.thumbnails import opened

Rgb = tuple[int, int, int]
_PAPER: Rgb = (248, 246, 240)
_UP: Rgb = (42, 106, 60)
_DOWN: Rgb = (180, 83, 26)
_QUALITY = 88


def jpeg(image: Image.Image) -> bytes:
    """Encode a picture."""
    out = io.BytesIO()
    image.save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()


def central_square(image: Image.Image, share: float) -> Image.Image:
    """Cut the central square whose side is `share` of the shorter side, as the network sees it."""
    size = (THUMBNAIL_SIDE * 2, THUMBNAIL_SIDE * 2)
    return ImageOps.fit(image, size, Image.Resampling.BICUBIC, bleed=(1 - share) / 2)


def framed(image: Image.Image, shares: Sequence[float]) -> Image.Image:
    """Draw a frame around each central square whose side is a share of a square picture's."""
    pen = ImageDraw.Draw(image)
    for share in shares:
        low, high = (round(image.width * (1 + sign * share) / 2) for sign in (-1, 1))
        pen.rectangle((low - 1, low - 1, high, high), outline=_PAPER, width=2)
        pen.rectangle((low - 3, low - 3, high + 2, high + 2), outline=_UP, width=2)
    return image


def cells(values: npt.NDArray[np.floating], columns: int, side: int = 8) -> bytes:
    """Draw numbers as a PNG of square cells, row after row: green above 0, orange below."""
    rows = -(-len(values) // columns)
    most = float(np.abs(values).max(initial=0)) or 1.0
    # The square root lets small values be seen beside large ones.
    strength = np.sqrt(np.abs(values.astype(np.float64)) / most)[:, None]
    ends = np.where(values[:, None] >= 0, np.array(_UP), np.array(_DOWN))
    colours = (1 - strength) * np.array(_PAPER) + strength * ends
    grid = np.full((rows * columns, 3), 255.0)
    grid[: len(values)] = colours
    pixels = np.round(grid).astype(np.uint8).reshape(rows, columns, 3)
    out = io.BytesIO()
    Image.fromarray(np.kron(pixels, np.ones((side, side, 1), np.uint8))).save(out, "PNG")
    return out.getvalue()


def scattered(
    thumbnails: Sequence[bytes], points: npt.NDArray[np.floating], size: tuple[int, int], tile: int
) -> bytes:
    """Lay round thumbnails out on white at `points` (n, 2), scaled to fill `size` pixels."""
    paper = Image.new("RGB", size, (255, 255, 255))
    low, high = points.min(axis=0), points.max(axis=0)
    spread = np.where(high > low, high - low, 1)
    room = np.array(size) - tile
    at = np.round((points - low) / spread * room).astype(int)
    disc = Image.new("L", (4 * tile, 4 * tile))
    ImageDraw.Draw(disc).ellipse((0, 0, 4 * tile - 1, 4 * tile - 1), fill=255)
    disc = disc.resize((tile, tile), Image.Resampling.BOX)
    for thumbnail, (x, y) in zip(thumbnails, at.tolist(), strict=True):
        image = opened(thumbnail)
        if image is not None:
            square = central_square(image, 1).resize((tile, tile), Image.Resampling.BICUBIC)
            # Up is more, as in every chart.
            paper.paste(square, (x, int(room[1]) - y), disc)
    return jpeg(paper)
