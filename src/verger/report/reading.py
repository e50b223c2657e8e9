"""Reading a STORE for the report: light columns of all photos, and heavy ones of a sample.

Two passes over `features/`, a thousand rows at a time, so that memory does not grow with the
features: the first takes what is small (of each photo a picture of 384 bytes), the
second projects all rows onto a few directions and keeps the features and thumbnails of the sample.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from verger.errors import StoreError
from verger.photos.small import WIDE, small_picture
from verger.report.alike import Pictures
from verger.store.gathering import Gathered, packed, unpacked
from verger.store.label_codes import NO_LABEL, encoded
from verger.store.matrix import ALL, groups_of, reader
from verger.store.sampling import digests
from verger.store.tables import Table

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

_SIZES = ("width", "height", "bytes")


@dataclass(frozen=True, slots=True)
class Photos:
    """The light columns of all n embedded photos, in order of path, whenever each came.

    paths:    n strings
    names:    the L labels, sorted
    codes:    int64 (n,), the place of each photo's label in `names`; -1 where it has none
    rows:     int64 (n,), the row of each photo in the table
    width, height, size:  int64 (n,), pixels and bytes of the file
    digests:  uint64 (n,), of the small picture; where there is none, of the photo itself
    keys:     uint64 (n,), of path and size
    contents: uint64 (n,), of the photo's bytes, by which another run has it under any path; of path
              and size, where they are not known
    """

    paths: pa.ChunkedArray
    names: tuple[str, ...]
    codes: Ints
    rows: Ints
    width: Ints
    height: Ints
    size: Ints
    digests: npt.NDArray[np.uint64]
    keys: npt.NDArray[np.uint64]
    contents: npt.NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def places(self) -> Ints:
        """The place among these photos of each row of the table, (n,)."""
        places = np.empty_like(self.rows)
        places[self.rows] = np.arange(len(self.rows))
        return places

    def path(self, row: int) -> str:
        """Return the path of one photo."""
        return str(self.paths[int(row)].as_py())

    def label(self, row: int) -> str | None:
        """Return the label of one photo."""
        code = int(self.codes[row])
        return None if code == NO_LABEL else self.names[code]

    def counts(self) -> Ints:
        """Return how many photos each label has, (L,)."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.names))


@dataclass(frozen=True, slots=True)
class Sample:
    """The photos that are looked at closely.

    rows:        int64 (m,), their places among all photos, ascending
    features:    float32 (m, d)
    thumbnails:  place → JPEG as the run wrote it, of these photos and of those asked for besides
    projected:   float32 (n, q), *all* photos along the directions that were asked for
    """

    rows: Ints
    features: Floats
    thumbnails: dict[int, bytes]
    projected: Floats

    def by_places(self, photos: Photos) -> Sample:
        """Return what was read by rows of the table by their places among the photos."""
        places = photos.places
        rows = places[self.rows]
        thumbnails = {int(places[row]): data for row, data in self.thumbnails.items()}
        if (rows[1:] > rows[:-1]).all() and (photos.rows[1:] > photos.rows[:-1]).all():
            return replace(self, rows=rows, thumbnails=thumbnails)
        order = np.argsort(rows)
        return Sample(rows[order], self.features[order], thumbnails, self.projected[photos.rows])


@dataclass(frozen=True, slots=True)
class Light:
    """Takes what is small of each photo, and where it lies along directions (q, d) of features."""

    directions: Floats
    offset: Floats

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a table of features that it reads."""
        return (*_SIZES, "picture", "sha256", "features")

    @property
    def fields(self) -> dict[str, pa.DataType]:
        """What it gives; a picture is uint8 (384,), and `placed` float32 (q,)."""
        return {
            **dict.fromkeys(_SIZES, pa.int64()),
            "digest": pa.uint64(),
            "key": pa.uint64(),
            "content": pa.uint64(),
            "picture": pa.binary(),
            "placed": pa.binary(),
        }

    def __call__(self, rows: pa.Table) -> dict[str, pa.Array]:
        """Look at a block of rows."""
        block = np.asarray(rows["features"].combine_chunks().flatten())
        block = block.reshape(len(rows), self.directions.shape[1])
        light = _light(rows)
        return light | {"placed": packed(block @ self.directions.T - self.offset)}


def _light(rows: pa.Table | pa.RecordBatch) -> dict[str, Any]:
    """Take what is small of some photos, but for path and label."""
    sizes = {name: _integers(rows.column(name)) for name in _SIZES}
    sized = zip(rows.column("path").to_pylist(), sizes["bytes"], strict=True)
    keys = [f"{size} {path}".encode() for path, size in sized]
    pictures = _pictures(rows)
    shown = [picture if any(picture) else key for picture, key in zip(pictures, keys, strict=True)]
    known = rows["sha256"].to_pylist() if "sha256" in rows.column_names else [None] * len(rows)
    return {
        **sizes,
        "digest": digests(shown),
        "key": digests(keys),
        "content": digests(one or key for one, key in zip(known, keys, strict=True)),
        "picture": pa.array(pictures, pa.binary()),
    }


def _pictures(rows: pa.Table | pa.RecordBatch) -> list[bytes]:
    """Return the small picture of each row; rows of older formats have a thumbnail instead."""
    if "picture" in rows.column_names:
        found = (picture or b"" for picture in rows.column("picture").to_pylist())
        return [picture if len(picture) == WIDE else bytes(WIDE) for picture in found]
    return [small_picture(thumbnail or b"") for thumbnail in rows.column("thumbnail").to_pylist()]


def read_photos(table: Table) -> tuple[Photos, Pictures]:
    """Read the light columns of `features/`, and the small pictures: uint8 (n, 384).

    Raises `StoreError` where the table cannot be read.
    """
    every = range(len(table.files))
    known = [(rows["path"], rows["label"]) for rows in table.batches(every, ["path", "label"])]
    paths, labels = (
        pa.chunked_array([part.cast(pa.string()) for part in parts], pa.string())
        for parts in (zip(*known, strict=True) if known else ((), ()))
    )
    desk = _Desk.of(paths, labels)
    done = 0
    for batch in table.batches(every, ["path", *_SIZES, "picture", "sha256"]):
        desk.lay(np.arange(done, done + len(batch)), _light(batch))
        done += len(batch)
    return desk.photos, desk.pictures


def gathered_photos(gathered: Gathered) -> tuple[Photos, Pictures]:
    """Return what `read_photos` does, of what a run gathered by `Light`."""
    desk = _Desk.of(gathered.in_order("path"), gathered.in_order("label"))
    names = [*_SIZES, "digest", "key", "content", "picture"]
    for rows, batch in gathered.of_all(*names):
        desk.lay(rows, {name: batch.column(name) for name in names})
    return desk.photos, desk.pictures


@dataclass(frozen=True, slots=True)
class _Desk:
    """Where light columns are laid out in order of path. What takes most memory is made once."""

    photos: Photos
    pictures: Pictures
    places: Ints

    @classmethod
    def of(cls, paths: pa.ChunkedArray, labels: pa.ChunkedArray) -> _Desk:
        """Make one for photos whose paths and labels are in the order of the table."""
        n, rows = len(paths), np.asarray(pc.sort_indices(paths), np.int64)
        names, codes = encoded(labels)
        width, height, size = (np.zeros(n, np.int64) for _ in range(3))
        hashes = [np.zeros(n, np.uint64) for _ in range(3)]
        paths = paths.take(pa.array(rows))
        photos = Photos(paths, names, codes[rows], rows, width, height, size, *hashes)
        return cls(photos, np.empty((n, WIDE), np.uint8), photos.places)

    def lay(self, rows: Ints, light: dict[str, Any]) -> None:
        """Lay out what is known of some rows of the table."""
        photos, places = self.photos, self.places[rows]
        photos.width[places], photos.height[places] = light["width"], light["height"]
        photos.size[places] = light["bytes"]
        photos.digests[places], photos.keys[places] = light["digest"], light["key"]
        photos.contents[places] = light["content"]
        self.pictures[places] = unpacked(light["picture"], np.uint8, WIDE)


def read_sample(
    table: Table, total: int, rows: Ints, besides: Ints, directions: Floats, offset: Floats
) -> Sample:
    """Read features and thumbnails of `rows`, thumbnails of `besides`, and project all rows.

    A row x of d features is placed at directions @ x − offset, with `directions` (q, d) and
    `offset` (q,). Raises `StoreError` where rows are not d long or hold a value that is no number.
    """
    wide = directions.shape[1]
    features = np.empty((len(rows), wide), np.float32)
    shown = np.union1d(rows, besides)
    thumbnails: dict[int, bytes] = {}
    projected = np.empty((total, len(directions)), np.float32)
    first = taken = 0
    for batch in table.batches(range(len(table.files)), ["features", "thumbnail"]):
        block = _matrix(batch.column("features"), wide, table)
        last = first + len(batch)
        projected[first:last] = block @ directions.T - offset
        until = int(np.searchsorted(rows, last))
        features[taken:until] = block[rows[taken:until] - first]
        here = shown[np.searchsorted(shown, first) : np.searchsorted(shown, last)]
        found = batch.column("thumbnail").take(pa.array(here - first)).to_pylist()
        thumbnails |= {
            row: thumbnail or b"" for row, thumbnail in zip(here.tolist(), found, strict=True)
        }
        first, taken = last, until
    return Sample(rows, features, thumbnails, projected)


def gathered_sample(
    gathered: Gathered, table: Table, rows: Ints, besides: Ints, width: int, directions: int
) -> Sample:
    """Return what `read_sample` does, of what a run gathered; thumbnails of others are read."""
    thumbnails: dict[int, bytes] = {}
    features = np.empty((len(rows), width), np.float32)
    for at, batch in gathered.of_some(rows, "features", "thumbnail"):
        features[at] = _matrix(batch.column("features"), width, table)
        found = batch.column("thumbnail").to_pylist()
        thumbnails |= {
            row: thumbnail or b"" for row, thumbnail in zip(rows[at].tolist(), found, strict=True)
        }
    projected = np.empty((gathered.photos, directions), np.float32)
    for numbers, batch in gathered.of_all("placed"):
        projected[numbers] = unpacked(batch.column("placed"), np.float32, directions)
    if len(others := np.setdiff1d(besides, rows)):
        thumbnails |= _thumbnails(table, others)
    return Sample(rows, features, thumbnails, projected)


def _thumbnails(table: Table, rows: Ints) -> dict[int, bytes]:
    """Read the thumbnails of a few rows, and no more than the groups that hold them."""
    found: dict[int, bytes] = {}
    read = reader(table, ["path", "thumbnail"])
    for group in groups_of(table):
        mine = rows[np.searchsorted(rows, group.start) :]
        mine = mine[: np.searchsorted(mine, group.start + group.rows)]
        for block, numbers in read(group, ALL) if len(mine) else ():
            here = np.flatnonzero(np.isin(numbers, mine))
            kept = block["thumbnail"].take(pa.array(here)).to_pylist()
            found |= {
                row: thumbnail or b""
                for row, thumbnail in zip(numbers[here].tolist(), kept, strict=True)
            }
    return found


def spread(codes: Ints, most: int) -> list[int]:
    """Choose at most `most` rows evenly over labels, for one to see what there is."""
    known = np.unique(codes)
    if len(known) >= most:
        chosen = known[np.linspace(0, len(known) - 1, most).astype(int)]
        return [int(np.argmax(codes == code)) for code in chosen]
    places = np.linspace(0, len(codes) - 1, min(most, len(codes))).astype(int)
    return [int(row) for row in np.argsort(codes, kind="stable")[places]]


def _matrix(column: pa.Array, wide: int, table: Table) -> Floats:
    values = np.asarray(column.flatten(), dtype=np.float32)
    if column.null_count or values.size != len(column) * wide or not np.isfinite(values).all():
        raise StoreError(
            f"{table.place} holds rows that are not {wide} finite features.",
            hint="Run `verger run` again with --overwrite.",
        )
    return values.reshape(len(column), wide)


def _integers(column: pa.Array | pa.ChunkedArray) -> Ints:
    return np.asarray(column.cast(pa.int64()).fill_null(0))
