"""Small pictures: brightness on 16 × 16 points and colour on 8 × 8.

That averages the noise of encoders away and keeps what moved: by these the report finds photos that
are there twice.
"""

from __future__ import annotations

import io

from PIL import Image

from verger.photos.decode import DECODER_ERRORS, THUMBNAIL_SIDE

_BRIGHTNESS, _COLOUR = 16, 8
WIDE = _BRIGHTNESS**2 + 2 * _COLOUR**2


def small_picture(thumbnail: bytes) -> bytes:
    """Return brightness (16 × 16), then colour (2 × 8 × 8) of a thumbnail: 384 levels, 0 to 255.

    One that cannot be opened is 0 throughout, which no picture is: in YCbCr, black is 0, 128, 128.
    """
    try:
        with Image.open(io.BytesIO(thumbnail), formats=("JPEG",)) as image:
            if max(image.size) > THUMBNAIL_SIDE:
                return bytes(WIDE)
            image.draft("YCbCr", image.size)  # as it lies in the file: no way through RGB
            bands = (image if image.mode == "YCbCr" else image.convert("YCbCr")).split()
    except DECODER_ERRORS:
        return bytes(WIDE)
    sides = (_BRIGHTNESS, _COLOUR, _COLOUR)
    return b"".join(
        band.resize((side, side), Image.Resampling.BICUBIC).tobytes()
        for band, side in zip(bands, sides, strict=True)
    )
