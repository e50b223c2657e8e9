"""Photos as people take them: rendered fruit before other grounds, in every format and size.

Those of phones have EXIF, the noise of a sensor, and the wide colours of some (Display P3).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from makers.colours import OF_PHONES, icc
from verger.demo.render import render_photo

_P3 = icc("Display P3", curve=OF_PHONES)
# Side by side: width, height, format, what it is saved with.
_SHAPES: tuple[tuple[int, int, str, dict[str, Any]], ...] = (
    (100, 100, "JPEG", {"quality": 90}),
    (640, 480, "JPEG", {"quality": 75}),
    (480, 640, "JPEG", {"quality": 85, "progressive": True}),
    (1200, 900, "JPEG", {"quality": 80}),
    (1400, 1050, "JPEG", {"quality": 80, "subsampling": 1}),
    (900, 1600, "JPEG", {"quality": 90, "subsampling": 0}),
    (3000, 2250, "JPEG", {"quality": 70}),
    (2016, 1512, "JPEG", {"quality": 85, "icc_profile": _P3}),
    (600, 800, "JPEG", {"quality": 92, "icc_profile": _P3}),
    (300, 400, "PNG", {}),
    (1100, 700, "PNG", {}),
    (500, 500, "WEBP", {"quality": 80}),
    (333, 250, "WEBP", {"lossless": True}),
)

_VIEWS = 4  # of each fruit
_NOISE = 4  # levels


def taken(varieties: tuple[str, ...], each: int, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """Give names and files: of each variety so many, of all shapes and orientations in turn."""
    rng = np.random.default_rng(seed)
    number = 0
    for view in range(each):
        for variety in varieties:
            width, height, kind, options = _SHAPES[number % len(_SHAPES)]
            image = _composed(variety, view, width, height, rng)
            out = io.BytesIO()
            exif = Image.Exif()
            exif[0x0112] = number // len(_SHAPES) % 8 + 1
            if kind == "PNG" and number % 3 == 0:  # cut out: half transparent at its edge
                image.putalpha(Image.fromarray(_mask(width, height)))
            image.save(out, kind, exif=exif, **options)
            yield f"{number:03d}-{variety}.{kind.lower()}", out.getvalue()
            number += 1


@cache
def _rendered(variety: str, view: int) -> Image.Image:
    return Image.fromarray(render_photo(variety, view, views=_VIEWS, seed=3, size=100))


def _composed(
    variety: str, view: int, width: int, height: int, rng: np.random.Generator
) -> Image.Image:
    coarse = rng.integers(120, 256, (height // 50 + 2, width // 50 + 2, 3)).astype(np.uint8)
    ground = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    fruit = _rendered(variety, view % _VIEWS)
    shape = fruit.convert("L").point(lambda level: 255 if level < 250 else 0)
    shape = shape.filter(ImageFilter.GaussianBlur(1))
    scaled = int(min(width, height) * 0.85)
    at = ((width - scaled) // 2, (height - scaled) // 2)
    ground.paste(fruit.resize((scaled, scaled)), at, shape.resize((scaled, scaled)))
    noise = rng.standard_normal((height, width, 1), np.float32) * _NOISE
    return Image.fromarray((np.asarray(ground) + noise).clip(0, 255).astype(np.uint8))


def _mask(width: int, height: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    return (np.clip(1.4 - np.hypot(x, y), 0, 1) * 255).astype(np.uint8)
