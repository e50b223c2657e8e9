"""What a file says beside its pixels (who, where, a comment) reaches no thumbnail."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from verger.photos.decode import decode

TOLD = "48.8566 N 2.3522 E, taken by Camille"
_GPS, _MAKER, _DESCRIPTION = 0x8825, 0x010F, 0x010E


def exif() -> Image.Exif:
    """A place, as cameras write it, and a name."""
    made = Image.Exif()
    made[_MAKER] = made[_DESCRIPTION] = TOLD
    made.get_ifd(_GPS).update({1: "N", 2: (48.0, 51.0, 24.0), 3: "E", 4: (2.0, 21.0, 8.0)})
    return made


def text() -> PngImagePlugin.PngInfo:
    made = PngImagePlugin.PngInfo()
    for key in ("comment", "Comment", "Author", "XML:com.adobe.xmp"):
        made.add_text(key, TOLD)
    return made


XMP = f"<x:xmpmeta xmlns:x='adobe:ns:meta/'>{TOLD}</x:xmpmeta>".encode()
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "a comment": ("JPEG", {"comment": TOLD.encode()}),
    "EXIF": ("JPEG", {"exif": exif()}),
    "XMP": ("JPEG", {"xmp": XMP}),
    "a profile": ("JPEG", {"icc_profile": TOLD.encode()}),
    "text of a PNG": ("PNG", {"pnginfo": text(), "exif": exif()}),
    "a GIF's comment": ("GIF", {"comment": TOLD.encode()}),
    "WebP": ("WEBP", {"exif": exif(), "xmp": XMP}),
    "TIFF": ("TIFF", {"exif": exif(), "description": TOLD}),
}


@pytest.mark.parametrize("side", [60, 400], ids=["as small as a thumbnail", "larger"])
@pytest.mark.parametrize("way", WAYS)
def test_a_thumbnail_is_pixels_alone(way: str, side: int) -> None:
    kind, options = WAYS[way]
    out = io.BytesIO()
    Image.new("RGB", (side, side // 2), (30, 120, 40)).save(out, kind, **options)
    assert TOLD.encode() in out.getvalue() or kind == "PNG"  # there it is packed

    made = decode(out.getvalue()).thumbnail

    assert made
    assert TOLD.encode() not in made
    with Image.open(io.BytesIO(made)) as image:
        assert not image.getexif()
        assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
