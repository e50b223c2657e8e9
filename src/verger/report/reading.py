"""Reading a STORE for the report: light columns of all photos, and heavy ones of a sample.

Two passes over `features/`, a thousand rows at a time, so that memory does not grow with the
features: the first takes what is small (of each thumbnail a digest and a picture of 384 bytes), the
second projects all rows onto a few directions and keeps the features and thumbnails of the sample.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from verger.errors import StoreError
from verger.report.alike import WIDE, Pictures, small_pictures
from verger.store.tables import Table, batches, rows_of

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

NO_LABEL = -1


@dataclass(frozen=True, slots=True)
class Photos:
    """The light columns of all n embedded photos, in the order of the table's rows.

    paths:    n strings
    names:    the L labels, sorted
    codes:    int64 (n,), the place of each photo's label in `names`; -1 where it has none
    width, height, size:  int64 (n,), pixels and bytes of the file
    digests:  uint64 (n,), of the thumbnail's bytes
    keys:     uint64 (n,), of path and size: what tells a photo from those of another run
    """

    paths: pa.ChunkedArray
    names: tuple[str, ...]
    codes: Ints
    width: Ints
    height: Ints
    size: Ints
    digests: npt.NDArray[np.uint64]
    keys: npt.NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.codes)

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


def read_photos(table: Table) -> tuple[Photos, Pictures]:
    """Read the light columns of `features/`, and see each thumbnail small: uint8 (n, 384).

    Raises `StoreError` where the table cannot be read.
    """
    columns = ["path", "label", "width", "height", "bytes", "thumbnail"]
    paths, labels = [], []
    numbers: list[npt.NDArray[np.int64]] = []
    digests: list[npt.NDArray[np.uint64]] = []
    keys: list[npt.NDArray[np.uint64]] = []
    # What takes most memory is made once: joined of parts, it would be there twice for a moment.
    pictures, done = np.empty((_rows(table), WIDE), np.uint8), 0
    for batch in _batches(table, columns):
        paths.append(batch.column("path").cast(pa.string()))
        labels.append(batch.column("label").cast(pa.string()))
        numbers.append(np.stack([_integers(batch.column(name)) for name in columns[2:5]]))
        thumbnails = [thumbnail or b"" for thumbnail in _plain(batch, "thumbnail")]
        digests.append(_digests(thumbnails))
        pictures[done : done + len(batch)] = small_pictures(thumbnails)
        done += len(batch)
        sized = zip(_plain(batch, "path"), numbers[-1][2], strict=True)
        keys.append(_digests(f"{size} {path}".encode() for path, size in sized))
    path_column = pa.chunked_array(paths, pa.string())
    names, codes = _encoded(pa.chunked_array(labels, pa.string()))
    width, height, size = np.concatenate([np.zeros((3, 0), np.int64), *numbers], axis=1)
    none = np.zeros(0, np.uint64)
    photos = Photos(
        path_column,
        names,
        codes,
        width,
        height,
        size,
        np.concatenate([none, *digests]),
        np.concatenate([none, *keys]),
    )
    return photos, pictures


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
    for batch in _batches(table, ["features", "thumbnail"]):
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


def stratified(codes: Ints, most: int, seed: int = 0) -> Ints:
    """Choose at most `most` rows, as evenly over labels as they allow; ascending.

    Each label gives all its rows, or as many as every other label that has more. Rows without a
    label count as one label. Where there are more labels than `most`, rows are drawn from all.
    """
    n = len(codes)
    if n <= most:
        return np.arange(n)
    rng = np.random.default_rng(seed)
    _, strata, counts = np.unique(codes, return_inverse=True, return_counts=True)
    level = _level(counts, most)
    if not level:
        return np.sort(rng.permutation(n)[:most])
    order = np.lexsort((rng.random(n), strata))
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    place = np.arange(n) - np.repeat(starts, counts)
    return np.sort(order[place < level])


def _level(counts: Ints, most: int) -> int:
    """Return the largest level such that Σ min(count, level) stays within `most`."""
    low, high = 0, int(counts.max())
    while low < high:
        middle = (low + high + 1) // 2
        if np.minimum(counts, middle).sum() <= most:
            low = middle
        else:
            high = middle - 1
    return low


def _rows(table: Table) -> int:
    total = 0
    for file in table.files:
        with _readable(table, file):
            total += rows_of(table.place, [file])
    return total


def _batches(table: Table, columns: list[str]) -> Iterator[pa.RecordBatch]:
    for file in table.files:
        with _readable(table, file):
            yield from batches(table.place, file, columns)


@contextmanager
def _readable(table: Table, file: str) -> Iterator[None]:
    try:
        yield
    except (OSError, KeyError, pa.ArrowException) as error:
        raise StoreError(
            f"{table.place}/{file} cannot be read as a table of features ({error}).",
            hint="Run `verger run` again with --overwrite.",
        ) from None


def _matrix(column: pa.Array, wide: int, table: Table) -> Floats:
    values = np.asarray(column.flatten(), dtype=np.float32)
    if column.null_count or values.size != len(column) * wide or not np.isfinite(values).all():
        raise StoreError(
            f"{table.place} holds rows that are not {wide} finite features.",
            hint="Run `verger run` again with --overwrite.",
        )
    return values.reshape(len(column), wide)


def _plain(batch: pa.RecordBatch, name: str) -> list[Any]:
    return list(batch.column(name).to_pylist())


def _integers(column: pa.Array) -> Ints:
    return np.asarray(column.cast(pa.int64()).fill_null(0))


def _digests(items: Iterable[bytes]) -> npt.NDArray[np.uint64]:
    joined = b"".join(hashlib.blake2b(item, digest_size=8).digest() for item in items)
    return np.frombuffer(joined, dtype=np.uint64)


def _encoded(labels: pa.ChunkedArray) -> tuple[tuple[str, ...], Ints]:
    """Number labels in the order of their names; none is -1."""
    encoded = labels.dictionary_encode().unify_dictionaries()
    if not encoded.num_chunks:
        return (), np.zeros(0, np.int64)
    found = encoded.chunk(0).dictionary.to_pylist()
    order = sorted(range(len(found)), key=lambda at: found[at])
    place = np.empty(len(found) + 1, np.int64)
    place[order] = np.arange(len(found))
    place[-1] = NO_LABEL
    codes = [np.asarray(chunk.indices.cast(pa.int64()).fill_null(-1)) for chunk in encoded.chunks]
    return tuple(found[at] for at in order), place[np.concatenate(codes)]
