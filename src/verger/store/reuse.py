"""What was made of the same bytes before: photos that were moved, copied or touched.

Each row of features has the SHA-256 of the bytes that it was made of. A photo to embed is read in
any case; where STORE has a row of the same bytes, that row is taken, and the photo is not decoded.

    known.parquet   the rows of STORE as large as a photo to embed: size, key, where they stand

It is written once a run, from two light columns. A task keeps those of it that are as large as one
of its own photos, 20 bytes each, and reads a group of rows where the SHA-256 of a photo is that of
one. Rows that an older Verger wrote have none, and are never taken.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from verger.embed.features import Made, content_columns
from verger.errors import VergerError
from verger.storage.place import Place
from verger.store.defects import damage_told
from verger.store.tables import TableWriter, batches, opened

_GROUPS_HELD = 2  # of rows, 8 MB each: a folder that was moved lies in one after another
_ROWS_A_GROUP = 2**16  # of known.parquet
_SCHEMA = pa.schema(
    [
        pa.field("bytes", pa.int64()),
        pa.field("key", pa.uint64()),  # the first eight bytes of the SHA-256
        pa.field("file", pa.string()),
        pa.field("group", pa.int32()),
        pa.field("row", pa.int32()),
    ]
)
_HELD = _SCHEMA.remove(0).set(1, pa.field("file", pa.dictionary(pa.int32(), pa.string())))


class Sizes:
    """An approximate set of sizes in bytes (4 MB): false positives, never false negatives."""

    _PLACES = 2**22

    def __init__(self, sizes: Iterable[int]) -> None:
        self._there = np.zeros(self._PLACES, bool)
        for size in sizes:
            self._there[size % self._PLACES] = True

    def has(self, size: int) -> bool:
        """Say whether a size may be in the set."""
        return bool(self._there[size % self._PLACES])

    def among(self, sizes: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.bool_]:
        """Say of each of these sizes whether it may be in the set."""
        places = pc.fill_null(sizes, 0).to_numpy(zero_copy_only=False) % self._PLACES
        there: npt.NDArray[np.bool_] = self._there[places]
        return there


def write_known(place: Place, files: Iterable[str], sizes: Iterable[int], to: Path) -> int:
    """Write which rows of files of features are as large as one of these photos; return how many.

    Files that cannot be read are left out: what they hold is embedded again.
    """
    wanted = Sizes(sizes)
    with TableWriter(to, _SCHEMA, _ROWS_A_GROUP) as out:
        for file in files:
            try:
                for rows in _as_large(place, file, wanted):
                    out.add(rows)
            except (OSError, VergerError):
                continue
    return out.rows


def alike(place: Place, known: str, sizes: Iterable[int]) -> int:
    """Count the sizes that are those of a content that is known."""
    there = Sizes(size for rows in batches(place, known) for size in rows["bytes"].to_pylist())
    return sum(map(there.has, sizes))


def _as_large(place: Place, file: str, wanted: Sizes) -> Iterator[pa.RecordBatch]:
    with damage_told(place, file), opened(place, file) as parquet:
        if not set(content_columns()).issubset(parquet.schema_arrow.names):
            return
        for group in range(parquet.num_row_groups):
            sizes = parquet.read_row_group(group, ["bytes"])["bytes"].combine_chunks()
            rows = np.flatnonzero(wanted.among(sizes))
            if not len(rows):
                continue
            hashes = parquet.read_row_group(group, ["sha256"])["sha256"].take(rows)
            rows = rows[pc.equal(pc.binary_length(hashes), 32).fill_null(False).to_numpy()]
            keys = b"".join(sha256[:8] for sha256 in hashes.drop_null().to_pylist())
            columns = [
                sizes.take(rows), np.frombuffer(keys, "<u8"), [file] * len(rows),
                np.full(len(rows), group, np.int32), rows.astype(np.int32),
            ]  # fmt: skip
            yield pa.record_batch(columns, schema=_SCHEMA)


class Contents:
    """The contents that STORE knows, and what was made of them; for one task."""

    def __init__(self, place: Place, known: str, sizes: Iterable[int], max_pixels: int) -> None:
        self._place, self._max_pixels = place, max_pixels
        wanted = Sizes(sizes)
        rows = pa.Table.from_batches(
            (
                batch.filter(pa.array(wanted.among(batch["bytes"]))).drop_columns("bytes")
                for batch in batches(place, known, read_dictionary=["file"])
            ),
            _HELD,
        )
        self._rows = rows.unify_dictionaries().combine_chunks().sort_by("key")
        self._keys = self._rows["key"].to_numpy()
        self._groups: dict[tuple[str, int], pa.Table | None] = {}
        self._door = threading.Lock()  # on a GPU's machine, many threads decode

    def recall(self, sha256: bytes) -> Made | None:
        """Return what was made of bytes with this SHA-256; None where that is not known."""
        at = int(np.searchsorted(self._keys, np.frombuffer(sha256[:8], "<u8")[0]))
        if at == len(self._keys) or self._keys[at].tobytes() != sha256[:8]:
            return None
        where = {name: column[0].as_py() for name, column in _items(self._rows.slice(at, 1))}
        with self._door:
            group = self._group(where["file"], where["group"])
        if group is None or where["row"] >= len(group):
            return None
        row = group.slice(where["row"], 1)
        columns = {name: column[0].as_py() for name, column in _items(row.drop_columns("features"))}
        features = row["features"].combine_chunks().flatten()
        is_it = columns["sha256"] == sha256 and None not in columns.values()
        if not is_it or columns["width"] * columns["height"] > self._max_pixels:
            return None
        return Made(np.array(features, np.float32), columns)

    def _group(self, file: str, group: int) -> pa.Table | None:
        """Read a group of rows; None where it cannot be read, and its photos are embedded anew."""
        where, names = (file, group), content_columns()
        if where not in self._groups:
            while len(self._groups) >= _GROUPS_HELD:
                del self._groups[next(iter(self._groups))]
            try:
                with damage_told(self._place, file), opened(self._place, file, names) as parquet:
                    self._groups[where] = parquet.read_row_group(group, names).combine_chunks()
            except (OSError, VergerError):
                self._groups[where] = None
        return self._groups[where]


def _items(table: pa.Table) -> Iterator[tuple[str, Any]]:
    return zip(table.column_names, table.columns, strict=True)
