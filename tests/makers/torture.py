"""The torture folder: every bad, odd and hostile input of the tests, with the right answers.

`expected.csv` beside them has a row for each file: what becomes of it in a run with the defaults.
"""

from __future__ import annotations

import csv
import os
import stat
import unicodedata
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from awkward import ODD_NAMES
from makers import bombs, colours, damage, depth, modes, planes
from names import ALIKE, HIDDEN, KEPT, ODD, SYSTEMS
from pictures import PILLOW_FORMATS, corners, encoded, encoded_as, exif, png, smooth, stored
from verger.photos.references import EXTENSIONS

TABLE = "expected.csv"
EMBEDDED, REJECTED, LEFT_OUT = "embedded", "rejected", "left out"
_SPARSE = 12 * 10**9  # bytes, of which the disk holds some kB


class Row(NamedTuple):
    """What becomes of one file."""

    path: str  # relative to the folder; bytes that are no UTF-8 are escaped
    outcome: str  # embedded, rejected, or left out
    reason: str  # of a reject
    like: str  # the file whose pixels it must show; of a reject, those that it holds
    mean: float  # of the differences to that, in levels of 0 to 255
    most: int
    label: str


def expected(folder: Path) -> dict[str, Row]:
    """Read the table of a torture folder, by path."""
    with (folder / TABLE).open(newline="", encoding="utf-8") as file:
        rows = [
            Row(path, outcome, reason, like, float(mean or 0), int(most or 0), label)
            for path, outcome, reason, like, mean, most, label in list(csv.reader(file))[1:]
        ]
    return {row.path: row for row in rows}


def make(folder: Path) -> None:
    """Make the folder, which must not be there yet, and its table."""
    folder.mkdir(parents=True)
    torture = _Torture(folder)
    for part in _PARTS:
        part(torture)
    torture.write_table()


class _Torture:
    """The folder while it is made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._rows: list[Row] = []

    def embedded(
        self, path: str, data: bytes | None, like: str = "", mean: float = 0, most: int = 0,
        label: str | None = None,
    ) -> None:  # fmt: skip
        """Write a file, if there are data, that is embedded as another one is."""
        self._write(path, data)
        if label is None:
            folder = Path(path).parent.name or self.folder.name
            label = " ".join(unicodedata.normalize("NFC", folder).split())
        self._rows.append(Row(path, EMBEDDED, "", like or path, mean, most, label))

    def rejected(self, path: str, data: bytes | None, reason: str, like: str = "") -> None:
        self._write(path, data)
        self._rows.append(Row(path, REJECTED, reason, like, 0, 2, ""))

    def left_out(self, path: str, data: bytes) -> None:
        self._write(path, data)
        self._rows.append(Row(path, LEFT_OUT, "", "", 0, 0, ""))

    def right(self, name: str, image: Image.Image) -> str:
        """Write a picture that others must show, once; return its path."""
        path = f"right/{name}.png"
        if not (self.folder / path).exists():
            self.embedded(path, encoded(image, "PNG"))
        return path

    def plain(self, color: tuple[int, ...]) -> str:
        """Write a picture of one colour."""
        name = "plain " + " ".join(map(str, color))
        return self.right(name, Image.new("RGB", (50, 40), color))

    def write_table(self) -> None:
        rows = sorted(self._rows)
        assert len({row.path for row in rows}) == len(rows)
        with (self.folder / TABLE).open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(Row._fields)
            for row in rows:
                numbers = (row.mean, row.most) if row.like else ("", "")
                table.writerow((*row[:4], *numbers, row.label))

    def _write(self, path: str, data: bytes | None) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if data is not None:
            file.write_bytes(data)


# What a codec loses of broad waves of colour: the mean of the differences, and the most.
_LOSS = {
    "JPEG": (2.5, 20), "MPO": (2.5, 20), "WEBP": (3, 25), "GIF": (12, 60), "AVIF": (3, 25),
    "HEIF": (3, 25),
}  # fmt: skip
_TURNED = 2  # rows are filtered before columns: turned, the rounding differs


def _formats(made: _Torture) -> None:
    image = smooth(120, 80)
    like = made.right("waves", image)
    for extension in EXTENSIONS:
        loss = _LOSS.get(PILLOW_FORMATS.get(extension, "HEIF"), (0, 0))
        made.embedded(f"formats/photo{extension}", encoded_as(image, extension), like, *loss)
    for name, format_ in (("png.jpg", "PNG"), ("jpeg.png", "JPEG"), ("heic.jpg", "HEIF")):
        loss = _LOSS.get(format_, (0, 0))
        made.embedded(f"formats/a {name}", encoded(image, format_), like, *loss)
    for format_ in modes.WITH_FRAMES:
        first = made.right("corners", corners(60, 50))
        loss = (0.0, 0) if format_ in ("PNG", "TIFF") else (6.0, 255)  # edges of colours bleed
        data = modes.of_several_frames(format_)
        made.embedded(f"frames/several.{format_.lower()}", data, first, *loss)


def _orientations(made: _Torture) -> None:
    seen = smooth(160, 96)
    like = made.right("upright", seen)
    for format_ in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"):
        mean, most = _LOSS.get(format_, (0.6, 0))
        for number in range(1, 9):
            data = encoded(stored(seen, number), format_, exif=exif(number))
            path = f"orientation/{format_.lower()} {number}.{_suffix(format_)}"
            made.embedded(path, data, like, mean, most + _TURNED)
        if format_ in ("JPEG", "PNG", "WEBP"):
            for name, block in modes.CORRUPT_EXIF.items():
                path = f"exif/{name}.{_suffix(format_)}"
                made.embedded(path, encoded(seen, format_, exif=block), like, mean, most)
    for number in (0, 9, 65535):
        data = encoded(seen, "JPEG", exif=exif(number))
        made.embedded(f"exif/turned by {number}.jpg", data, like, *_LOSS["JPEG"])
    for format_ in ("JPEG", "PNG", "WEBP", "HEIF"):
        data = encoded(bombs.IMAGE, format_, exif=bombs.exif_that_unfolds())
        same = f"exif/without.{_suffix(format_)}"
        made.embedded(same, encoded(bombs.IMAGE, format_))
        made.embedded(f"exif/that unfolds.{_suffix(format_)}", data, same)


def _modes(made: _Torture) -> None:
    for image, formats, color in modes.MODES:
        for format_ in formats:
            levels = " ".join(map(str, color))
            path = f"modes/{image.mode.replace(';', '_')} {levels} {format_.lower()}"
            loss = (4, 4) if format_ in ("AVIF", "HEIF", "WEBP") else (1, 1)
            data = encoded(image, format_)
            made.embedded(f"{path}.{_suffix(format_)}", data, made.plain(color), *loss)
    for name, (data, color) in modes.DEEP_PNGS.items():
        made.embedded(f"modes/16 bits, {name}.png", data, made.plain(color), 1, 1)
    for name, (data, color) in modes.transparent_palettes().items():
        made.embedded(f"modes/palette, {name}", data, made.plain(color), 1, 1)
    made.embedded("modes/big-endian.tif", modes.big_endian_tiff(), made.plain((128,) * 3), 1, 1)


def _colours(made: _Torture) -> None:
    seen = colours.seen()
    like = made.right("colours", seen)
    for format_, options in colours.LOSSLESS + colours.LOSSY:
        lossy = (format_, options) in colours.LOSSY
        loss = (1.5, 16) if lossy else (0.5, 3)
        kind = f"{options.get('compression', '')}.{_suffix(format_)}"
        for space in colours.SPACES:
            image = colours.in_space(seen, space)
            data = encoded(image, format_, icc_profile=colours.icc(space), **options)
            made.embedded(f"colours/{space}{kind}", data, like, *loss)
        if (format_, options) in colours.WITH_EXIF:
            data = colours.adobe_by_exif(format_, options)
            loss = (2.5, 16) if lossy else (0.5, 3)
            made.embedded(f"colours/Adobe RGB by EXIF.{_suffix(format_)}", data, like, *loss)
    for format_ in ("HEIF", "AVIF"):
        for points, of_points in colours.CODE_POINTS:
            data = colours.with_code_points(format_, points, of_points)
            path = f"colours/code points {points[0]} {points[1]}.{_suffix(format_)}"
            made.embedded(path, data, like, 2.5, 16)
    for name, data in colours.png_chunks().items():
        made.embedded(f"colours/chunks, {name}.png", data, like, 0.5, 3)
    made.embedded("colours/chunks, sRGB.png", colours.png_that_says_srgb(), like)
    for number, options in enumerate(colours.SAME, 1):
        for format_ in ("PNG", "JPEG"):
            data = encoded(seen, format_, **options)
            loss = _LOSS["JPEG"] if format_ == "JPEG" else (0, 0)
            path = f"colours/a profile that changes nothing {number}.{_suffix(format_)}"
            made.embedded(path, data, like, *loss)
    red = made.plain(colours.red_ink())
    for format_ in ("JPEG", "TIFF"):
        image = Image.new("CMYK", (50, 50), (255, 0, 0, 0))
        data = encoded(image, format_, icc_profile=colours.ink())
        made.embedded(f"colours/CMYK.{_suffix(format_)}", data, red, 3, 3)


def _depths(made: _Torture) -> None:
    like = made.right("shades", Image.fromarray(depth.SHADES))
    for name, data in {**depth.READ, **depth.FEWER_BITS}.items():
        made.embedded(f"depth/{name}.tif", data, like)
    for compression in depth.COMPRESSIONS:
        for bits, values in zip((16, 8), depth.INVERTED, strict=True):
            path = f"depth/{bits} inverted, {compression}.tif"
            made.embedded(path, depth.inverted(values, compression), like)
    for name, data in depth.UNREAD.items():
        made.rejected(f"depth/{name}.tif", data, "unsupported")
    for name, data in depth.UNREAD_SHADES.items():
        made.rejected(f"depth/{name}.tif", data, "unsupported", like)
    for name, data in modes.not_rgb().items():
        made.rejected(f"depth/Pillow's {name}.tif", data, "unsupported")
    for name, data in depth.other_kinds().items():
        made.rejected(f"depth/{name}", data, "unsupported")


def _planes(made: _Torture) -> None:
    like = {name: made.right(name, Image.fromarray(seen)) for name, seen in planes.SEEN.items()}
    for name, (values, photometric, extra, shown) in planes.READ.items():
        for way, options in planes.STORED.items():
            data = planes.planes(values, photometric, extra, **options)
            made.embedded(f"planes/{name}, {way}.tif", data, like[shown], 2, 2)
    made.embedded("planes/shades inverted.tif", planes.INVERTED, like["shades"])
    made.embedded("planes/an alpha that is not declared.tif", planes.UNDECLARED,
                  like["small waves over white"], 2, 2)  # fmt: skip
    for name, (data, shown) in planes.UNREAD.items():
        made.rejected(f"planes/unread, {name}.tif", data, "unsupported", like[shown])


def _transparent(made: _Torture) -> None:
    for name, (data, color) in depth.premultiplied().items():
        made.embedded(f"depth/premultiplied {name}.tif", data, made.plain(color), 2, 2)
    for name, alpha, seen in (("of zeros", 0, "small waves"),
                              ("of half", 128, "small waves over white")):  # fmt: skip
        data = depth.bmp_with_alpha(np.dstack([planes.COLOURS, np.full_like(planes.HALF, alpha)]))
        like = made.right(seen, Image.fromarray(planes.SEEN[seen]))
        made.embedded(f"depth/an alpha {name}.bmp", data, like, 2, 2)
    white = made.plain(modes.WHITE)
    for number, (bits, kind, row, value, clear) in enumerate(depth.TRANSPARENT, 1):
        path = f"depth/transparent value {number}, {bits} bits.png"
        opaque = f"depth/without transparent value {number}, {bits} bits.png"
        if not clear:
            made.embedded(opaque, png(50, 40, bits, kind, row))
        data = depth.with_transparent_value(bits, kind, row, value)
        made.embedded(path, data, white if clear else opaque)


def _brands(made: _Torture) -> None:
    for format_ in ("HEIF", "AVIF"):
        data, suffix = encoded(smooth(120, 90), format_), _suffix(format_)
        like = f"brands/usual.{suffix}"
        made.embedded(like, data)
        for brand in depth.BRANDS:
            name = f"brands/{brand.decode()}"
            made.embedded(f"{name}.{suffix}", depth.with_brand(data, brand), like)
            if format_ == "HEIF":
                alone = depth.with_brand(data, brand, alone=True)
                made.embedded(f"{name} alone.{suffix}", alone, like)
        made.rejected(f"brands/video.{suffix}", depth.as_video(data), "not_an_image")


def _cut(made: _Torture) -> None:
    whole = smooth(320, 240)
    for format_ in modes.FORMATS:
        data = encoded(whole, format_)
        for tenth in (1, 5, 9):
            path = f"cut/at {tenth} tenths.{_suffix(format_)}"
            made.rejected(path, data[: len(data) * tenth // 10], "truncated")
        for length in (12, 30):
            made.rejected(f"cut/to {length} bytes.{_suffix(format_)}", data[:length], "truncated")
    for compression in ("tiff_lzw", "tiff_deflate", "jpeg", "packbits"):
        data = encoded(whole, "TIFF", compression=compression)
        made.rejected(f"cut/{compression}.tif", data[: len(data) * 7 // 10], "truncated")
    data = encoded(whole, "JPEG")
    made.rejected("cut/the last bytes.jpg", data[:-40], "truncated")
    grainy = damage.grainy()
    for number, options in enumerate(damage.KINDS, 1):
        data = encoded(grainy, "JPEG", **options)
        for share in (0.1, 0.5, 0.9):
            path = f"cut/{number} at {share:.0%}, with an end marker.jpg"
            made.rejected(path, damage.ended_early(data, share), "truncated")
    data = encoded(grainy, "JPEG", progressive=True, quality=90)
    made.rejected("cut/progressive.jpg", damage.ended_early(data, 0.3), "truncated")
    last = data.rindex(b"\xff\xda")
    made.rejected("cut/the last scan.jpg", data[:last] + b"\xff\xd9", "truncated")
    data = encoded(damage.grainy(200, 150), "PNG", compress_level=0)
    made.rejected("cut/half its pixels.png", damage.png_with_half_its_pixels(data), "truncated")


def _damaged(made: _Torture) -> None:
    grainy = damage.grainy()
    for number, options in enumerate([*damage.KINDS, {"progressive": True}], 1):
        data = encoded(grainy, "JPEG", **options)
        reason = "truncated" if "restart_marker_rows" in options else "damaged"
        made.rejected(f"damaged/{number}, a hole.jpg", damage.with_hole(data, 4096, 0.5), reason)
    data = encoded(grainy, "JPEG", quality=90)
    made.rejected("damaged/another file in it.jpg", damage.with_another_file(data), "damaged")
    data = encoded(damage.grainy(200, 150), "PNG", compress_level=0)
    made.rejected("damaged/a hole.png", damage.with_hole(data, 512), "damaged")
    made.rejected("damaged/noise.png", modes.scrambled_png(), "damaged")
    made.rejected("damaged/item.heic", modes.heic_item_that_is_no_text(0x80), "damaged")
    for format_ in ("WEBP", "HEIF", "AVIF"):
        data = encoded(grainy, format_, quality=80)
        suffix = _suffix(format_)
        made.rejected(f"damaged/a hole.{suffix}", damage.with_hole(data, 4096), "damaged")
        made.rejected(f"damaged/zeros for an end.{suffix}", damage.filled_up(data), "damaged")
        if format_ != "WEBP":
            made.rejected(f"damaged/erased.{suffix}", damage.with_hole(data, 512, fill=0xFF),
                          "damaged")  # fmt: skip
    lossless = damage.filled_up(encoded(grainy, "WEBP", lossless=True, quality=80))
    made.rejected("damaged/zeros for an end, lossless.webp", lossless, "damaged")
    _damaged_jpegs(made)
    for compression in damage.TIFF_COMPRESSIONS:
        data = encoded(damage.grainy(200, 150), "TIFF", compression=compression)
        for name, fill in (("a hole", 0), ("erased", 0xFF)):
            path = f"damaged/{name}, {compression}.tif"
            made.rejected(path, damage.with_hole(data, 512, fill=fill), "damaged")


def _damaged_jpegs(made: _Torture) -> None:
    """Write JPEGs with holes of zeros that are told from plain areas by following the codes."""
    waves = smooth(1600, 1200)
    for mode in ("RGB", "L", "CMYK"):
        data = encoded(smooth(800, 600).convert(mode), "JPEG", progressive=True, quality=90)
        data = damage.with_hole(data, 512, 0.1)  # in its first scan
        made.rejected(f"damaged/progressive {mode}, a hole.jpg", data, "damaged")
    data = encoded(waves, "JPEG", **damage.OWN_TABLES)
    made.rejected("damaged/own tables, a hole.jpg", damage.with_hole(data, 512), "damaged")
    made.rejected("damaged/own tables, zeros for an end.jpg", damage.filled_up(data), "truncated")
    for name, options in damage.WITH_RESTARTS.items():
        data = damage.with_hole(encoded(waves, "JPEG", **options), 512, 0.1)
        made.rejected(f"damaged/{name}, a hole.jpg", data, "damaged")


def _sound(made: _Torture) -> None:
    """Write whole photos that look like damaged ones."""
    grainy = damage.grainy()
    data = encoded(grainy, "JPEG", exif=exif(6))
    made.embedded("sound/photo.jpg", data)
    for name, added in damage.with_additions(data).items():
        made.embedded(f"sound/{name}.jpg", added, "sound/photo.jpg")
    half = damage.half_plain(damage.grainy(1200, 900), (128, 128, 128))
    like = made.right("half gray", half)
    for number, options in enumerate([*damage.KINDS, {"progressive": True}], 1):
        path = f"sound/{number}, half gray.jpg"
        made.embedded(path, encoded(half, "JPEG", **options), like, 2.5, 40)
    for format_ in ("WEBP", "HEIF", "AVIF"):
        data = encoded(half, format_)
        made.embedded(f"sound/half gray.{_suffix(format_)}", data, like, 2.5, 40)
    white, black = made.plain(modes.WHITE), made.plain((0, 0, 0))
    plain = Image.new("RGB", (1200, 900), modes.WHITE)
    half = damage.half_plain(smooth(800, 600), modes.WHITE)
    like = made.right("half white", half)
    for name, options in damage.ZEROS_MEAN_SOMETHING.items():
        made.embedded(f"sound/white, {name}.jpg", encoded(plain, "JPEG", **options), white)
        made.embedded(
            f"sound/half white, {name}.jpg", encoded(half, "JPEG", **options), like, 2.5, 40
        )
    plain = Image.new("RGB", (1200, 900))
    for compression in damage.TIFF_COMPRESSIONS:
        data = encoded(plain, "TIFF", compression=compression)
        made.embedded(f"sound/black, {compression}.tif", data, black)
    narrow = encoded(Image.new("L", (1, 3000), 255), "TIFF", compression="packbits")
    made.embedded("sound/a pixel wide, packbits.tif", narrow, white)


def _bombs(made: _Torture) -> None:
    for name, bomb in bombs.BOMBS.items():
        made.rejected(f"bombs/{name}", bomb(), "too_large")
    made.rejected("bombs/pixels.png", bombs.huge(), "too_large")
    made.rejected("bombs/pixels that are not there.png", bombs.larger_outside(60_000, 60_000),
                  "too_large")  # fmt: skip
    made.rejected("bombs/larger inside.avif", bombs.larger_inside_gray(10_300), "too_large")
    made.rejected("bombs/a text.png", bombs.text_that_unfolds(), "damaged",
                  made.plain((10, 20, 30)))  # fmt: skip
    for name, data in bombs.harmless().items():
        made.embedded(f"bombs/harmless {name}", data)


def _no_photos(made: _Torture) -> None:
    for name, data in modes.NO_IMAGES.items():
        made.rejected(f"no photos/{name}.jpg", data, "not_an_image")
    for format_ in modes.NOT_LISTED:
        data, like = encoded(corners(32, 32), format_), made.right("quarters", corners(32, 32))
        made.rejected(f"no photos/{format_.lower()}.jpg", data, "not_an_image", like)
    made.rejected("no photos/empty.jpg", b"", "empty")


def _names(made: _Torture) -> None:
    photo = encoded(smooth(100, 80), "JPEG")
    for name in ODD_NAMES:
        made.embedded(f"names/{name}", photo)
    for name in {*ODD, *KEPT}:
        if name in HIDDEN:
            continue
        made.embedded(f"names/{name.removesuffix('.jpg')}/{name}", photo)
    for number, folder in enumerate(ALIKE):
        made.embedded(f"labels/{folder}/{number}.jpg", photo, label="P\u00eache")
    for path in (*SYSTEMS, *HIDDEN):
        made.left_out(f"litter/{path}", photo)
    made.left_out("litter/notes.txt", b"no photo, and none by its name")
    try:
        bad = os.fsencode(made.folder) + b"/names/not \xff unicode.jpg"
        Path(os.fsdecode(bad)).write_bytes(photo)
    except OSError:  # macOS takes Unicode names only
        return
    made.rejected("names/not \\xff unicode.jpg", None, "bad_name", f"names/{ODD_NAMES[0]}")


def _special(made: _Torture) -> None:
    folder = made.folder / "special"
    folder.mkdir()
    os.mkfifo(folder / "pipe.jpg")
    os.mknod(folder / "socket.jpg", stat.S_IFSOCK | 0o600)
    for name, target in {
        "zeros.jpg": "/dev/zero", "nothing.jpg": "/dev/null", "nowhere.jpg": "gone.jpg",
        "itself.jpg": "itself.jpg",
    }.items():  # fmt: skip
        (folder / name).symlink_to(target)
    (folder / "up").symlink_to("..")
    for name in ("pipe", "socket", "zeros", "nothing", "nowhere", "itself"):
        made.rejected(f"special/{name}.jpg", None, "unreadable")
    made.embedded("special/linked to.jpg", encoded(smooth(100, 80), "JPEG"))
    (folder / "link.jpg").symlink_to("linked to.jpg")
    made.embedded("special/link.jpg", None, "special/linked to.jpg")
    with (folder / "sparse.tif").open("wb") as sparse:
        sparse.write(depth.READ["16"])
        sparse.truncate(_SPARSE)
    made.rejected("special/sparse.tif", None, "too_large")


_PARTS = (
    _formats, _orientations, _modes, _colours, _depths, _planes, _transparent, _brands, _cut,
    _damaged, _sound, _bombs, _no_photos, _names, _special,
)  # fmt: skip


def _suffix(format_: str) -> str:
    return {"JPEG": "jpg", "TIFF": "tif", "HEIF": "heic"}.get(format_, format_.lower())
