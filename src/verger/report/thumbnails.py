"""Thumbnails for the page. All are decoded and encoded again, as a STORE may come from anywhere."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image, WebPImagePlugin  # noqa: F401 - else Pillow loads all 40 for the first WebP

from verger.photos.decode import DECODER_ERRORS, THUMBNAIL_SIDE
from verger.report.table_files import UNREADABLE, read_table, write_table
from verger.storage.place import Place
from verger.store.sampling import digests

_FILE = "kept-sheets.parquet"

TILE, LARGE_TILE = 48, 96  # pixels a side, of a thumbnail on the map
TILES_A_ROW = 32
_A_SHEET = TILES_A_ROW**2
_THREADS = 2  # Pillow lets go of Python's lock while it encodes a sheet: two take 0.65 of the time
_FEW = 1_200  # photos on the map, up to which they have larger thumbnails
_PAPER = (244, 244, 240)
_SHEET_QUALITY, _PICTURE_QUALITY = 62, 74


@dataclass(frozen=True, slots=True)
class Picture:
    """One thumbnail as a data URI, with its size in pixels."""

    uri: str
    width: int
    height: int


class Pictures:
    """The thumbnails of photos for the page, made in threads from when each is first asked for."""

    def __init__(self, thumbnails: Mapping[int, bytes]) -> None:
        self._thumbnails = thumbnails
        self._threads = ThreadPoolExecutor(_THREADS)
        self._made: dict[int, Future[Picture | None]] = {}

    def of(self, photo: int) -> Future[Picture | None]:
        """Return that of a photo: None where it has none that can be opened."""
        if photo not in self._made:
            thumbnail = self._thumbnails.get(photo, b"")
            self._made[photo] = self._threads.submit(picture, thumbnail)
        return self._made[photo]

    def close(self) -> None:
        """End the threads: what was not made by now is not needed."""
        self._threads.shutdown(cancel_futures=True)


def picture(thumbnail: bytes) -> Picture | None:
    """Return a thumbnail for the page; None where it cannot be opened."""
    image = opened(thumbnail)
    if image is None:
        return None
    return Picture(_uri(webp(image, _PICTURE_QUALITY)), image.width, image.height)


@dataclass(frozen=True, slots=True)
class KeptSheets:
    """The sheets that a report left for the next one.

    contents: uint64 (p,), of the photos on them, one after another
    sheets:   as WebP, by a mark of the thumbnails on each
    """

    contents: npt.NDArray[np.uint64]
    sheets: Mapping[int, bytes]

    @classmethod
    def none(cls) -> KeptSheets:
        """Return that there are none."""
        return cls(np.zeros(0, np.uint64), {})

    @classmethod
    def read(cls, place: Place, folder: str) -> KeptSheets:
        """Read those of the report that is there; none where they cannot be read."""
        try:
            table = read_table(place, f"{folder}/{_FILE}")
            marks = table["mark"].cast(pa.uint64()).to_pylist()
            sheets = table["webp"].cast(pa.binary()).to_pylist()
            contents = pc.list_flatten(table["contents"]).cast(pa.uint64()).to_numpy()
            return cls(contents, dict(zip(marks, sheets, strict=True)))
        except UNREADABLE:
            return cls.none()


class Sheets:
    """Small thumbnails laid out on sheets of 32 × 32 tiles, in threads that begin at once.

    tile: pixels a side of each

    `contents` are those of their photos. A sheet that is among those kept is not made anew.
    """

    def __init__(
        self, thumbnails: Sequence[bytes], contents: npt.NDArray[np.uint64], kept: KeptSheets
    ) -> None:
        starts = range(0, len(thumbnails), _A_SHEET)
        self._parts = [thumbnails[at : at + _A_SHEET] for at in starts]
        self._contents = [contents[at : at + _A_SHEET] for at in starts]
        self.tile = tile = LARGE_TILE if len(thumbnails) <= _FEW else TILE
        threads = ThreadPoolExecutor(_THREADS)
        self._marks = _marks(self._parts, tile)
        self._fitted = 0
        self._whole = [
            threads.submit(_kept_or_made, kept.sheets.get(mark), part, tile)
            for mark, part in zip(self._marks, self._parts, strict=True)
        ]
        threads.shutdown(wait=False)

    def within(self, most_bytes: int) -> tuple[list[str], int]:
        """Return sheets as data URIs, as many as fit, and how many thumbnails are on them."""
        out: list[str] = []
        left, placed, self._fitted = most_bytes, 0, 0
        for part, whole in zip(self._parts, self._whole, strict=True):
            some, uri = part, _uri(whole.result())
            while len(uri) > left and len(some) > TILES_A_ROW:
                some = some[: min(len(some) * left // len(uri), len(some) - TILES_A_ROW)]
                uri = _uri(_sheet(some, self.tile)) if some else ""
            if not some or len(uri) > left:
                break
            out.append(uri)
            left -= len(uri)
            placed += len(some)
            if len(some) < len(part):
                break
            self._fitted += 1
        return out, placed

    def write(self, folder: Path) -> None:
        """Write the sheets that fitted whole into the folder of a report, for the next one."""
        whole = slice(self._fitted)
        sheets = [one.result() for one in self._whole[whole]]
        columns = {
            "mark": pa.array(self._marks[whole], pa.uint64()),
            "contents": pa.array(self._contents[whole], pa.list_(pa.uint64())),
            "webp": pa.array(sheets, pa.binary()),
        }
        write_table(pa.table(columns), folder / _FILE, compression="none", use_dictionary=False)


def _marks(parts: Sequence[Sequence[bytes]], tile: int) -> list[int]:
    """Return a mark of each sheet, by which it is known again."""
    made = f"{tile} {_SHEET_QUALITY}".encode()
    marks: list[int] = digests(made + digests(part).tobytes() for part in parts).tolist()
    return marks


def _kept_or_made(kept: bytes | None, thumbnails: Sequence[bytes], tile: int) -> bytes:
    return kept if kept and _is_sheet(kept, _size(thumbnails, tile)) else _sheet(thumbnails, tile)


def _is_sheet(data: bytes, size: tuple[int, int]) -> bool:
    try:
        with Image.open(io.BytesIO(data), formats=("WEBP",)) as image:
            return image.size == size and bool(image.load())
    except DECODER_ERRORS:
        return False


def _size(thumbnails: Sequence[bytes], tile: int) -> tuple[int, int]:
    return tile * TILES_A_ROW, tile * -(-len(thumbnails) // TILES_A_ROW)


def _sheet(thumbnails: Sequence[bytes], tile: int) -> bytes:
    paper = Image.new("RGB", _size(thumbnails, tile), _PAPER)
    for at, thumbnail in enumerate(thumbnails):
        image = opened(thumbnail, tile)
        if image is not None:
            image.thumbnail((tile, tile), Image.Resampling.BOX)
            row, column = divmod(at, TILES_A_ROW)
            left = column * tile + (tile - image.width) // 2
            paper.paste(image, (left, row * tile + (tile - image.height) // 2))
    return webp(paper, _SHEET_QUALITY)


def opened(thumbnail: bytes, side: int = THUMBNAIL_SIDE, mode: str = "RGB") -> Image.Image | None:
    """Open a thumbnail, decoded as small as `side` pixels allow; None where it cannot be.

    Mode "L", levels of grey, takes half of the time: what a JPEG says of colour is passed over.
    """
    try:
        with Image.open(io.BytesIO(thumbnail), formats=("JPEG",)) as image:
            if max(image.size) > THUMBNAIL_SIDE:
                return None
            image.draft(mode, (side, side))
            plain = image.convert(mode)
            plain.info = {}  # a comment of the photo, which an older Verger let pass
            return plain
    except DECODER_ERRORS:
        return None


def webp(image: Image.Image, quality: int) -> bytes:
    """Encode a picture as WebP, of a quality up to 100."""
    out = io.BytesIO()
    image.save(out, "WEBP", quality=quality, method=2)  # 4: 3% smaller, for twice the time
    return out.getvalue()


def _uri(data: bytes) -> str:
    return "data:image/webp;base64," + base64.b64encode(data).decode()
