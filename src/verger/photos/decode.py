"""Bytes of a photo → RGB pixels for a network, the photo's size and a thumbnail.

Whatever comes in (EXIF orientation, grayscale, palette, alpha, CMYK, 16 bit, animation), what comes
out is uint8 RGB of one size. Everything in the bytes is hostile until Pillow has read it: the only
formats opened are those named here, and the number of pixels is checked from the header before
anything is allocated.
"""

from __future__ import annotations

import io
import struct
import warnings
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from verger.photos import damage, decode_work, jpeg, planes, strips, tiff
from verger.photos.colour import in_srgb
from verger.photos.damage import Cut, Damage
from verger.photos.declared import declared
from verger.photos.depth import as_eight_bit
from verger.photos.formats import (
    heif_items_are_text,
    is_complete,
    kind_of,
    unread_variant,
    with_usual_brand,
)
from verger.photos.reasons import Reason, Reject

THUMBNAIL_SIDE = 96
MOST_VIEWS = 4  # of a photo
_THUMBNAIL_QUALITY = 85
# An MPO (two JPEG in one file) is opened as JPEG: Pillow knows no opener of that name.
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "HEIF")
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ON_ITS_SIDE = (5, 6, 7, 8)  # of these, width and height change places
_WHITE = 255
# What the decoders raise on hostile bytes; anything else is a defect of ours and is let through.
DECODER_ERRORS = (
    OSError, SyntaxError, ValueError, TypeError, EOFError, KeyError, IndexError, AttributeError,
    OverflowError, ZeroDivisionError, NotImplementedError, RuntimeError, struct.error,
    Image.DecompressionBombError,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Framing:
    """How a photo is cut for a network, into one view or several.

    For each view, the shorter side is brought to so many pixels, the aspect ratio kept, and the
    central square of `size` pixels is taken: 256 of 224 nearly all of the photo, 420 its middle.
    """

    size: int = 224
    views: tuple[int, ...] = (256,)

    def __str__(self) -> str:
        """Write it as all texts do: 224/256, the square and the shorter side before it."""
        return f"{self.size}/{','.join(map(str, self.views))}"


@dataclass(frozen=True, slots=True)
class Photo:
    """A decoded photo."""

    pixels: npt.NDArray[np.uint8]  # RGB, (views, size, size, 3)
    width: int  # of the whole photo in pixels, as a person sees it (after EXIF)
    height: int
    thumbnail: bytes  # JPEG, the whole photo, longest side at most 96 pixels; or b""


def decode(
    data: bytes,
    framing: Framing = Framing(),
    max_pixels: int = 100_000_000,
    *,
    thumbnail: bool = True,
) -> Photo:
    """Decode one photo.

    thumbnail: whether to make one; without, it takes a quarter less time

    Raises `Reject`, with a reason and a detail, for bytes that give no photo. No other exception
    comes out for any bytes, short of memory running out.
    """
    if not data:
        raise Reject(Reason.EMPTY, "zero bytes")
    _prepare_pillow()
    kind = kind_of(data)
    if kind == "HEIF" and not heif_items_are_text(data):
        raise _why_not_decoded(data, ValueError("an item's name is not text"))
    try:
        if kind == "JPEG":
            return _decode_jpeg(data, framing, max_pixels, thumbnail)
        _check(data, kind, max_pixels)
        return _decode(_as_decoders_know_it(data, kind), framing, max_pixels, thumbnail)
    except Reject:
        raise
    except Cut as found:
        raise Reject(Reason.TRUNCATED, f"{kind} that ends too early: {found}") from None
    except Damage as found:
        raise Reject(Reason.DAMAGED, f"{kind}: {found}") from None
    except MemoryError:
        raise Reject(Reason.TOO_LARGE, "not enough memory to decode it") from None
    except UnidentifiedImageError:
        raise _why_not_opened(data) from None
    except DECODER_ERRORS as error:
        raise _why_not_decoded(data, error) from None


def _check(data: bytes, kind: str | None, max_pixels: int) -> None:
    """Look at a file of another kind than JPEG before anything of it is decoded."""
    decode_work.check(data, kind, max_pixels)
    damage.check(data, kind)
    if kind == "TIFF":
        strips.check(data)


def _as_decoders_know_it(data: bytes, kind: str | None) -> bytes:
    """Return a file of another kind than JPEG in the words that its decoder understands."""
    if kind == "TIFF":
        return tiff.in_one_plane(data)
    return with_usual_brand(data)


def _decode_jpeg(data: bytes, framing: Framing, max_pixels: int, thumbnail: bool) -> Photo:
    """Decode a JPEG so that data that are missing or left over are noticed."""
    found = jpeg.layout(data)
    decode_work.check_jpeg(data, found, max_pixels)
    end = jpeg.end_of_data(data, found)
    end = jpeg.check(data, found, end)
    if end is None:
        return _decode(data, framing, max_pixels, thumbnail)
    return _decode(
        jpeg.padded(data, end), framing, max_pixels, thumbnail, jpeg.before_last(data, found, end)
    )


def _decode(
    data: bytes,
    framing: Framing,
    max_pixels: int,
    thumbnail: bool,
    needed: int | None = None,
) -> Photo:
    """Decode what has been looked at; `needed` is a byte that a decoder of it must come to."""
    file = io.BytesIO(data)
    with Image.open(file, formats=_FORMATS) as image:
        width, height = image.size
        if width * height > max_pixels:
            raise Reject(
                Reason.TOO_LARGE, f"{width} × {height} pixels; --max-pixels is {max_pixels}"
            )
        if isinstance(image, TiffImageFile):
            planes.prepare(image)
        _draft(image, framing)
        if needed is not None:
            image.decodermaxblock = needed
        image.load()
        if needed is not None and file.tell() <= needed:
            raise Damage("data are left over")
        # Not before: of a PNG, this loads the pixels, and an error would be taken for bad metadata.
        orientation = _orientation(image)
        turn = _TURNS.get(orientation)
        whole = _in_srgb(image, data, framing)
        squares = [_central_square(whole, framing.size, view) for view in framing.views]
        pixels = np.stack([np.asarray(_turned(_on_white(square), turn)) for square in squares])
        small = _jpeg(_turned(_on_white(_small(whole)), turn)) if thumbnail else b""
    if orientation in _ON_ITS_SIDE:
        width, height = height, width
    return Photo(pixels, width, height, small)


@cache
def _prepare_pillow() -> None:
    """Set Pillow up, once a process: HEIC, our own limit on pixels, no remarks on odd metadata."""
    import pi_heif

    pi_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
    Image.MAX_IMAGE_PIXELS = None  # our limit stands in `_decode`, and is the user's to choose
    warnings.filterwarnings("ignore", module=r"PIL\..*")


def _in_srgb(image: ImageFile.ImageFile, data: bytes, framing: Framing) -> Image.Image:
    """Bring a loaded image to L, RGB or RGBA of eight bits, in the colours of sRGB."""
    colours = declared(image, data)
    least_side = max(framing.views)
    if colours is not None and image.mode == "CMYK":
        return in_srgb(image, colours, least_side).convert("RGB")
    whole = as_eight_bit(image, data)
    return whole if colours is None else in_srgb(whole, colours, least_side)


def _orientation(image: ImageFile.ImageFile) -> int:
    """Read the EXIF orientation (1 to 8); metadata that cannot be read is no orientation."""
    if image.format in ("HEIF", "TIFF"):  # libheif and Pillow's TIFF reader turn the pixels
        return 1
    if "exif" in image.info:
        if not decode_work.may_read_exif(image.info["exif"]):
            return 1
    elif image.format == "JPEG" and "xmp" not in image.info:
        return 1
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except DECODER_ERRORS:
        return 1
    return value if isinstance(value, int) else 1


def _draft(image: ImageFile.ImageFile, framing: Framing) -> None:
    """Let the JPEG decoder halve, quarter or eighth a large photo: much faster, same picture."""
    shorter, wanted = min(image.size), max(framing.views)
    if shorter > 2 * wanted:
        ratio = wanted / shorter
        image.draft(None, (round(image.width * ratio), round(image.height * ratio)))


def _on_white(image: Image.Image) -> Image.Image:
    """Lay an image over white; return RGB."""
    if image.mode != "RGBA":
        return image if image.mode == "RGB" else image.convert("RGB")
    white = Image.new("RGB", image.size, (_WHITE, _WHITE, _WHITE))
    white.paste(image, mask=image.getchannel("A"))
    return white


def _central_square(image: Image.Image, size: int, shorter_side: int) -> Image.Image:
    """Resize and crop in one step: only the pixels that the network sees are computed."""
    width, height = image.size
    side = min(width, height) * size / shorter_side
    left, top = (width - side) / 2, (height - side) / 2
    return image.resize(
        (size, size),
        Image.Resampling.BILINEAR,
        box=(left, top, left + side, top + side),
    )


def _small(image: Image.Image) -> Image.Image:
    longest = max(image.size)
    if longest <= THUMBNAIL_SIDE:
        return image
    ratio = THUMBNAIL_SIDE / longest
    size = (max(1, round(image.width * ratio)), max(1, round(image.height * ratio)))
    return image.resize(size, Image.Resampling.BILINEAR, reducing_gap=1.0)


def _turned(image: Image.Image, turn: Image.Transpose | None) -> Image.Image:
    return image if turn is None else image.transpose(turn)


def _jpeg(image: Image.Image) -> bytes:
    """Write pixels alone: what a file says beside them (who, where, a comment) stays behind."""
    out = io.BytesIO()
    image = image.copy()
    image.info = {}  # Pillow hands it on from image to image, and writes some of it
    image.save(out, "JPEG", quality=_THUMBNAIL_QUALITY)
    return out.getvalue()


def _why_not_opened(data: bytes) -> Reject:
    kind = kind_of(data)
    if kind is None:
        return Reject(
            Reason.NOT_AN_IMAGE, "the content does not begin like an image format that Verger reads"
        )
    if not is_complete(data, kind):
        return Reject(Reason.TRUNCATED, f"{kind} that ends within its header")
    if unread := unread_variant(data, kind):
        return Reject(Reason.UNSUPPORTED, unread)
    return Reject(Reason.DAMAGED, f"{kind} whose header cannot be read")


def _why_not_decoded(data: bytes, error: Exception) -> Reject:
    kind = kind_of(data) or "image"
    said = str(error) or type(error).__name__
    if not is_complete(data, kind) or "truncated" in said.lower():
        return Reject(Reason.TRUNCATED, f"{kind} that ends too early: {said}")
    if unread := unread_variant(data, kind) if kind != "TIFF" else None:
        return Reject(Reason.UNSUPPORTED, unread)
    if said.lower().startswith("unsupported"):
        return Reject(Reason.UNSUPPORTED, f"{kind}: {said}")
    return Reject(Reason.DAMAGED, f"{kind}: {said}")
