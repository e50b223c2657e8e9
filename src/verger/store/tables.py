"""Parquet and CSV, written and read in constant memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from verger.storage.place import Place
from verger.storage.prefetch import ahead
from verger.store.defects import damage_told

ROWS_A_GROUP = 1024  # 8 MB with the default backbone: little memory for whoever reads or writes
_CSV_CELLS_A_BLOCK = 250_000
_CSV_THREADS = 2  # Arrow lets go of Python's lock while it writes numbers
# JPEG, hashes and the noise of float32 do not compress, and nobody searches by their least value.
_BULKY = {"features", "thumbnail", "sha256", "components", "vector", "picture", "placed"}
_REPEATED = {"label", "reason", "file"}
# Columns that tables of older formats lack, and what is read in the place of each, if anything is.
_LATER = {"e_tag": None, "picture": "thumbnail", "sha256": None, "photo_bytes": None}


class Table(NamedTuple):
    """A table by its Parquet files, which tasks read for themselves."""

    place: Place
    files: list[str]

    def batches(self, numbers: Iterable[int], columns: list[str]) -> Iterator[pa.RecordBatch]:
        """Read some columns of the files of these numbers."""
        for number in numbers:
            yield from batches(self.place, self.files[number], columns)

    def column(self, name: str) -> pa.ChunkedArray:
        """Read one column of strings of all files, in the order of the rows."""
        with ThreadPoolExecutor(self.place.reads_at_once) as pool:
            read = pool.map(
                lambda number: list(self.batches([number], [name])), range(len(self.files))
            )
            columns = [batch.column(name) for of_file in read for batch in of_file]
        return pa.chunked_array(columns, pa.string())


class TableWriter:
    """Writes record batches to a local Parquet file, a group of rows at a time."""

    def __init__(self, file: Path, schema: pa.Schema, rows_a_group: int = ROWS_A_GROUP) -> None:
        self.rows = 0
        self._rows_a_group = rows_a_group
        self._schema = schema
        self._waiting: list[pa.RecordBatch] = []
        self._held = 0
        self._writer = pq.ParquetWriter(
            file,
            schema,
            use_dictionary=[name for name in schema.names if name in _REPEATED],
            compression={
                column: "none" if name in _BULKY else "snappy" for name, column in _leaves(schema)
            },
            write_statistics=[name for name in schema.names if name not in _BULKY],
            write_page_checksum=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._flush()
        finally:
            self._writer.close()

    def add(self, batch: pa.RecordBatch) -> None:
        """Write the rows of a batch, now or with others."""
        if len(batch):
            self._waiting.append(batch)
            self._held += len(batch)
            self.rows += len(batch)
        if self._held >= self._rows_a_group:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            table = pa.Table.from_batches(self._waiting, self._schema)
            self._writer.write_table(table, row_group_size=max(len(table), 1))
        self._waiting, self._held = [], 0


def write_csv(
    place: Place, matrix: Iterable[str], out: Path, k: int, tell: Callable[[int], None]
) -> int:
    """Write a matrix, given its files, as one CSV file with the header `path,label,pc1,…,pck`.

    Returns how many rows it has beside the header.

    Paths and labels are quoted; a missing label is empty and unquoted. Floats are the shortest
    that read back as the same float32.
    """
    names = ["path", "label", *(f"pc{i}" for i in range(1, k + 1))]
    schema = pa.schema([(n, pa.string() if n in names[:2] else pa.float32()) for n in names])
    rows, done = max(1, _CSV_CELLS_A_BLOCK // (k + 2)), 0
    blocks = chain.from_iterable(batches(place, file, rows=rows) for file in matrix)
    with out.open("wb") as csv, ThreadPoolExecutor(_CSV_THREADS) as pool:
        csv.write((",".join(names) + "\n").encode())
        written = partial(_as_csv, schema)
        for block, lines in ahead(pool, written, blocks, most=_CSV_THREADS):
            csv.write(lines)
            done += block
            tell(done)
    return done


def _as_csv(schema: pa.Schema, rows: pa.RecordBatch) -> tuple[int, pa.Buffer]:
    """Return how many rows there are, and their lines."""
    k = len(schema) - 2
    values = np.asarray(rows.column("components").flatten()).reshape(len(rows), k)
    columns = [pa.array(np.ascontiguousarray(column)) for column in values.T]
    arrays = [rows.column("path"), rows.column("label"), *columns]
    out = pa.BufferOutputStream()
    options = pyarrow.csv.WriteOptions(include_header=False)
    pyarrow.csv.write_csv(pa.RecordBatch.from_arrays(arrays, schema=schema), out, options)
    return len(rows), out.getvalue()


def batches(
    place: Place,
    path: str,
    columns: list[str] | None = None,
    rows: int = ROWS_A_GROUP,
    **options: Any,
) -> Iterator[pa.RecordBatch]:
    """Read a Parquet file in constant memory. Raises `StoreError` where it is damaged."""
    with damage_told(place, path), opened(place, path, columns, **options) as file:
        yield from file.iter_batches(batch_size=rows, columns=columns and there(file, columns))


def rows_of(place: Place, paths: Iterable[str]) -> int:
    """Count rows, from the footers of the files."""
    total = 0
    for path in paths:
        with damage_told(place, path), opened(place, path) as file:
            total += file.metadata.num_rows
    return total


def opened(
    place: Place, path: str, columns: Iterable[str] | None = None, **options: Any
) -> pq.ParquetFile:
    """Open a Parquet file that has these columns; what is read of it is checked, page by page.

    Read it within `damage_told`, which knows all that this and reading raise.
    """
    file = pq.ParquetFile(place.open(path), page_checksum_verification=True, **options)
    if missing := set(there(file, columns or ())).difference(file.schema_arrow.names):
        raise KeyError(f"no column {min(missing)}")
    return file


def there(file: pq.ParquetFile, columns: Iterable[str]) -> list[str]:
    """Name the columns to read of a file, which may be of a format that lacks some of them."""
    found = file.schema_arrow.names
    names = [name if name in found else _LATER.get(name, name) for name in columns]
    return list(dict.fromkeys(name for name in names if name))


def _leaves(schema: pa.Schema) -> Iterator[tuple[str, str]]:
    """Name each column, and as Parquet does: a list holds its elements below itself."""
    for field in schema:
        is_list = pa.types.is_list(field.type)
        yield field.name, f"{field.name}.list.element" if is_list else field.name
