"""Photos for the tests, made on the spot: every format, and files built byte by byte."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pillow_heif
from PIL import Image

if TYPE_CHECKING:
    import numpy.typing as npt

RED, GREEN, BLUE, YELLOW = (220, 30, 30), (30, 200, 30), (30, 30, 220), (230, 220, 30)
PILLOW_FORMATS = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jfif": "JPEG",
    ".mpo": "MPO",
    ".png": "PNG",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".gif": "GIF",
    ".avif": "AVIF",
}
ORIENTATION = 0x0112


def corners(width: int, height: int) -> Image.Image:
    """Four colours: red top left, green top right, blue bottom left, yellow bottom right."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(GREEN, (width // 2, 0, width, height))
    image.paste(BLUE, (0, height // 2, width // 2, height))
    image.paste(YELLOW, (width // 2, height // 2, width, height))
    return image


def smooth(width: int, height: int, seed: int = 0) -> Image.Image:
    """Broad waves of colour, the same for the same seed: content that any resampling keeps."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    planes = []
    for _ in range(3):
        across, down, phase = rng.uniform(2, 9), rng.uniform(2, 9), rng.uniform(0, 6)
        planes.append(127.5 + 110 * np.sin(across * x + down * y + phase))
    return Image.fromarray(np.stack(planes, axis=-1).astype(np.uint8))


def encoded(image: Image.Image, format_: str, **options: Any) -> bytes:
    """Encode an image with Pillow, or with pillow-heif for HEIF."""
    out = io.BytesIO()
    if format_ == "HEIF":
        # Not through Pillow's registry: that would put another decoder in the place of ours.
        heif = pillow_heif.from_pillow(image)
        if "exif" in options:
            heif.info["exif"] = options.pop("exif")
        heif.save(out, **{"quality": 90, **options})
    else:
        image.save(out, format_, **options)
    return out.getvalue()


def encoded_as(image: Image.Image, extension: str) -> bytes:
    """Encode an image in the format of a file name's extension."""
    return encoded(image, PILLOW_FORMATS.get(extension, "HEIF"))


def exif(orientation: int) -> bytes:
    """EXIF metadata that holds an orientation and nothing else."""
    metadata = Image.Exif()
    metadata[ORIENTATION] = orientation
    return metadata.tobytes()


def stored(seen: Image.Image, orientation: int) -> Image.Image:
    """What a camera stores for a picture that is to be seen as `seen`.

    Written from the EXIF standard's table, which says on which side of the seen picture the stored
    row 0 and column 0 lie (6: row 0 on the right, column 0 at the top).
    """
    flipped = np.asarray(seen)
    if orientation in (2, 3, 6, 7):
        flipped = flipped[:, ::-1]
    if orientation in (3, 4, 7, 8):
        flipped = flipped[::-1]
    if orientation >= 5:
        flipped = flipped.swapaxes(0, 1)
    return Image.fromarray(np.ascontiguousarray(flipped))


def png(
    width: int, height: int, bits: int, color: int, row: bytes, *extra: tuple[bytes, bytes]
) -> bytes:
    """Build a PNG by hand whose rows are all `row`; `extra` are chunks before the pixels."""
    packer = zlib.compressobj(9)
    # A row at a time: the pixels of a huge PNG would not fit in the memory of a small machine.
    line = b"\0" + row
    pixels = b"".join([*(packer.compress(line) for _ in range(height)), packer.flush()])
    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)
    chunks = [(b"IHDR", header), *extra, (b"IDAT", pixels), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


def levels(pixels: npt.NDArray[np.uint8]) -> tuple[int, ...]:
    """The mean colour of some pixels."""
    return tuple(round(float(v)) for v in pixels.reshape(-1, 3).mean(axis=0))
