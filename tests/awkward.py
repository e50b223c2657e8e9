"""A folder as users have them: odd names, every format, and files that are no photos."""

from __future__ import annotations

import os
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pillow_heif
from PIL import Image

from makers.bombs import huge

MTIME_NS = 1_600_000_000_123_456_000  # a whole number of microseconds
ODD_NAMES = (
    "Ünï çödé/日本 リンゴ 🍎.jpg",
    "decomposed/e\u0301te\u0301.jpg",
    "spaces  and %20 percent/100% #1 a?b.jpg",
    'quotes/say "hi" it\'s.jpg',
    "new\nline/ph\noto.jpg",
    "carriage\r\nreturn/a\rb.jpg",
    "comma, semicolon;/x,y;z.jpg",
    "back\\slash/a\\b.jpg",
    "=1+1/-2.jpg",
    " blank ends / a .jpg",
    "tab\there/a\tb.jpg",
    "brackets [x] {y}/a*b:c.jpg",
    "NULL/null.jpg",
    "_hidden/dot.jpg",
    "x=1/outcome=kept.jpg",
    "UPPER/PHOTO.JPG",
    "at the root.jpg",
    "folder.jpg/inside.jpg",
)


@dataclass
class Awkward:
    root: Path
    kept: dict[str, tuple[str, int, int]] = field(default_factory=dict)  # label, width, height
    rejected: dict[str, str] = field(default_factory=dict)  # path → reason

    @property
    def listed(self) -> int:
        return len(self.kept) + len(self.rejected)


def make_awkward(root: Path, photos: list[Path]) -> Awkward:
    """Make the folder out of some JPEG photos, which are used over and over."""
    made = Awkward(root)
    root.mkdir()
    for number, name in enumerate(ODD_NAMES):
        image = Image.open(photos[number % len(photos)])
        _keep(made, name, image, "JPEG", quality=90 - number)
    _formats(made, [Image.open(file).convert("RGB") for file in photos])
    _rejects(made, photos[0].read_bytes())
    _links(made)
    return made


def _keep(
    made: Awkward,
    name: str,
    image: Image.Image,
    kind: str,
    *,
    turned: bool = False,
    **options: object,
) -> None:
    file = made.root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    if kind == "HEIF":
        pillow_heif.from_pillow(image).save(file, quality=80)
    else:
        image.save(file, kind, **options)
    os.utime(file, ns=(MTIME_NS, MTIME_NS))
    label = " ".join(unicodedata.normalize("NFC", Path(name).parent.name or made.root.name).split())
    width, height = reversed(image.size) if turned else image.size
    made.kept[name] = (label, width, height)


def _formats(made: Awkward, images: list[Image.Image]) -> None:
    for number, (suffix, kind) in enumerate(
        {
            ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP", ".bmp": "BMP", ".tif": "TIFF",
            ".tiff": "TIFF", ".gif": "GIF", ".HEIC": "HEIF", ".avif": "AVIF",
        }.items()
    ):  # fmt: skip
        _keep(made, f"formats/photo{suffix}", images[number % len(images)], kind)
    red, grey = images[0], images[1].convert("L")
    _keep(made, "modes/grey.jpg", grey, "JPEG")
    _keep(made, "modes/cmyk.jpg", images[2].convert("CMYK"), "JPEG")
    _keep(made, "modes/palette.png", images[3].convert("P"), "PNG")
    _keep(made, "modes/alpha.png", red.convert("RGBA"), "PNG")
    deep = Image.fromarray(np.asarray(grey, dtype=np.uint16) * 257)
    _keep(made, "modes/deep.png", deep, "PNG")
    exif = Image.Exif()
    exif[0x0112] = 6
    wide = red.resize((200, 80))
    _keep(made, "modes/turned.jpg", wide, "JPEG", turned=True, exif=exif.tobytes())
    _keep(made, "modes/one pixel.png", red.resize((1, 1)), "PNG")
    _keep(made, "modes/thin.png", red.resize((900, 3)), "PNG")


def _rejects(made: Awkward, jpeg: bytes) -> None:
    folder = made.root / "bad"
    folder.mkdir()
    contents = {
        "empty.jpg": (b"", "empty"),
        "text.jpg": (b"this is no photo\n" * 20, "not_an_image"),
        "huge.png": (huge(), "too_large"),
    }
    for tenth in range(1, 10):
        contents[f"cut {tenth}.jpg"] = (jpeg[: len(jpeg) * tenth // 10], "truncated")
    for name, (content, reason) in contents.items():
        (folder / name).write_bytes(content)
        os.utime(folder / name, ns=(MTIME_NS, MTIME_NS))
        made.rejected[f"bad/{name}"] = reason
    os.mkfifo(folder / "pipe.jpg")
    made.rejected["bad/pipe.jpg"] = "unreadable"
    try:
        Path(os.fsdecode(os.fsencode(folder) + b"/not \xff unicode.jpg")).write_bytes(jpeg)
    except OSError:  # macOS takes Unicode names only
        return
    made.rejected["bad/not \\xff unicode.jpg"] = "bad_name"


def _links(made: Awkward) -> None:
    """A link to nowhere and one to itself are rejects; one to a folder above is not followed."""
    folder = made.root / "links"
    folder.mkdir()
    (folder / "nowhere.jpg").symlink_to("gone.jpg")
    (folder / "itself.jpg").symlink_to("itself.jpg")
    (folder / "up").symlink_to("..")
    made.rejected["links/nowhere.jpg"] = "unreadable"
    made.rejected["links/itself.jpg"] = "unreadable"
    (made.root / "notes.txt").write_text("no photo, and none by its name")
