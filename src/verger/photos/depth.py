"""Pixels of any mode and depth → L, RGB or RGBA with eight bits a value, white at 255."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from verger.photos.reasons import Reason, Reject

_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339  # tags of TIFF
_LARGEST = (281, 341)  # the largest value that is used, in two generations of TIFF
_WHITE_IS_ZERO, _SIGNED = 0, 2
_PNG_BITS_AT = 24  # of the header's depth in the file
_UNSUPPORTED = {
    "I": "whole numbers of 32 bits, whose white is unknown",
    "F": "floating-point pixels, whose white is unknown",
    "LAB": "colours in CIE L*a*b*",
}


def as_eight_bit(image: Image.Image, data: bytes) -> Image.Image:
    """Bring an image of any mode, loaded from `data`, to L, RGB or RGBA.

    Raises `Reject` for one whose white is unknown, or that cannot be shown as RGB.
    """
    if isinstance(image, TiffImageFile):
        image = _of_tiff(image)
    mode = image.mode
    if mode in ("L", "RGB") and "transparency" not in image.info:
        return image
    if mode in _UNSUPPORTED:
        raise Reject(Reason.UNSUPPORTED, _UNSUPPORTED[mode])
    if image.format == "PNG" and mode in ("1", "L", "I;16", "RGB"):
        return _with_transparent_value(image, data)
    if mode.startswith("I;16"):
        return _from_levels(np.asarray(image), 16)
    if mode in ("La", "RGBa"):  # colours that are multiplied by their alpha
        return image.convert(mode.upper()).convert("RGBA")
    # Windows leaves the fourth byte of a BMP at 0, of which browsers make no transparency either.
    if image.format == "BMP" and mode == "RGBA" and image.getchannel("A").getextrema() == (0, 0):
        return image.convert("RGB")
    if image.has_transparency_data:
        return image.convert("RGBA")
    if mode == "1":
        return image.convert("L")
    return image.convert("RGB")


def _from_levels(values: npt.NDArray[Any], bits: int) -> Image.Image:
    """Keep the upper eight of so many bits."""
    return Image.fromarray((values.astype(np.uint32) >> (bits - 8)).astype(np.uint8))


def _of_tiff(image: TiffImageFile) -> Image.Image:
    """Bring what Pillow leaves as it is stored to shades from black to white."""
    bits = _first(image, _BITS, 1)
    signed = _first(image, _SAMPLE_FORMAT, 1) == _SIGNED
    if image.mode.startswith("I;16"):
        values = np.asarray(image).astype(np.uint16)
        bits = _bits_used(image, values, bits)
        if image.tag_v2.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
            values = (1 << bits) - 1 - values
        return _from_levels(values, bits)
    if image.mode == "L" and signed:
        return _from_positive(np.asarray(image).view(np.int8), 7)
    if image.mode == "I" and bits in (16, 32):
        values = np.asarray(image)
        values = values if signed else values.view(np.uint32)
        bits = _bits_used(image, values, bits - signed)
        return _from_positive(values, bits) if signed else _from_large(values, bits)
    if bits == 16:  # colours, of which Pillow gives the upper eight
        used = _bits_used(image, np.asarray(image).astype(np.uint16) << 8, bits)
        if used < bits:
            raise Reject(Reason.UNSUPPORTED, f"colours that use {used} of 16 bits")
    return image


def _bits_used(image: TiffImageFile, values: npt.NDArray[Any], bits: int) -> int:
    """Return how many bits the values use: fewer than `bits` where the file says so, and they do.

    By the specification the largest value is a fact and changes nothing. Where it is the largest
    of fewer bits, white is meant by it: so cameras of 10 to 14 bits are written in 16.
    """
    for tag in _LARGEST:
        largest = _first(image, tag, 0)
        if 255 <= largest < (1 << bits) - 1 and largest & (largest + 1) == 0:
            return largest.bit_length() if values.max() <= largest else bits
    return bits


def _from_positive(values: npt.NDArray[Any], bits: int) -> Image.Image:
    """Take signed values that use the bits beside their sign."""
    if values.min() < 0:
        raise Reject(Reason.UNSUPPORTED, "negative values, whose black is unknown")
    if bits < 8:
        return Image.fromarray((values.astype(np.uint32) * 255 // 127).astype(np.uint8))
    return _from_large(values, bits)


def _from_large(values: npt.NDArray[Any], bits: int) -> Image.Image:
    if bits > 16 and values.max() < 1 << (bits - 8):
        raise Reject(Reason.UNSUPPORTED, f"values that use few of {bits} bits: white is unknown")
    return _from_levels(values, bits)


def _first(image: TiffImageFile, tag: int, otherwise: int) -> int:
    value = image.tag_v2.get(tag, otherwise)
    value = value[0] if isinstance(value, tuple) and value else value
    return value if isinstance(value, int) else otherwise


def _with_transparent_value(image: Image.Image, data: bytes) -> Image.Image:
    """Of a PNG: make the pixels of the one value transparent that it declares so.

    The value is of the file's depth; of colours of 16 bits Pillow gives the upper eight alone, and
    by these they are compared.
    """
    declared, bits = image.info.get("transparency"), data[_PNG_BITS_AT]
    plain = image.convert("L") if image.mode == "1" else image
    stored = np.asarray(plain)
    eight = _from_levels(stored, 16) if image.mode == "I;16" else plain
    if declared is None:
        return eight
    value = np.asarray(declared)
    if image.mode == "RGB":
        clear = (stored == (value >> (8 if bits == 16 else 0))).all(axis=-1)
    elif image.mode == "L":
        clear = stored == value * (255 // ((1 << bits) - 1))
    else:
        clear = stored == value
    shown = eight.convert("RGB")
    shown.putalpha(Image.fromarray(np.where(clear, 0, 255).astype(np.uint8)))
    return shown
