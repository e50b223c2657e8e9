"""TIFFs that keep each colour in a plane of its own, where Pillow would read them wrongly."""

from __future__ import annotations

from PIL import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

_BITS, _PHOTOMETRIC, _FILL_ORDER, _PLANES, _EXTRA = 258, 262, 266, 284, 338  # tags of TIFF
_APART, _MULTIPLIED = 2, 1
_FORMS = {(2, "RGB"), (2, "RGBA"), (5, "CMYK")}  # photometric interpretation and mode
_LOST_ALPHA = ("LA", "La", "PA")


def prepare(image: TiffImageFile) -> None:
    """Have an opened TIFF read as it is meant, before it is loaded.

    Of planes that are not compressed Pillow takes each to have eight bits; libtiff reads those of
    sixteen. Both lose an alpha beside gray, libtiff also one that the file does not declare.
    Raises `NotImplementedError` for what neither reads.
    """
    tags = image.tag_v2
    if tags.get(_PLANES) != _APART or not image.tile:
        return
    if image.mode in _LOST_ALPHA:
        raise NotImplementedError("unsupported alpha in a plane of its own")
    raw, bits, extra = image.tile[0].codec_name == "raw", tags[_BITS][0], tags.get(_EXTRA, ())
    if raw and bits == 8 and tags.get(_FILL_ORDER, 1) == 1:
        names = {tile.args[0] for tile in image.tile if tile.args}
        if names.issubset(image.getbands()):
            return
    if (tags.get(_PHOTOMETRIC), image.mode) in _FORMS:
        if image.mode == "RGBA" and not extra:
            raise NotImplementedError("unsupported alpha in a plane of its own")
        form = "RGBa" if extra[:1] == (_MULTIPLIED,) else image.mode
        form += "" if bits == 8 else f";{bits}N"
        whole = (0, 0, *image._tile_size)
        image.tile = [ImageFile._Tile("libtiff", whole, 0, (form, False, tags.offset))]
        image.use_load_libtiff = True
    elif raw:
        raise NotImplementedError(f"unsupported planes of {image.mode}")
