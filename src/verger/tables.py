"""Reading back, in constant memory, the Parquet tables that Spark wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

_CSV_CELLS_A_BLOCK = 1_000_000


def files_of(table: Path) -> list[Path]:
    """Return the Parquet files of a table, in the order of their rows."""
    return sorted(table.glob("*.parquet"))


def rows_of(table: Path) -> int:
    """Count the rows of a table, from the footers of its files."""
    return sum(pq.read_metadata(file).num_rows for file in files_of(table))


def count_by(table: Path, column: str) -> dict[str, int]:
    """Count the rows of a table by the values of a column, the most frequent first."""
    counts: dict[str, int] = {}
    for file in files_of(table):
        for entry in pq.read_table(file, columns=[column])[column].value_counts().to_pylist():
            counts[entry["values"]] = counts.get(entry["values"], 0) + entry["counts"]
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def write_csv(matrix: Path, out: Path, k: int, tell: Callable[[int], None]) -> None:
    """Write a matrix as one CSV file with the header `path,label,pc1,…,pck`.

    Paths and labels are quoted; a missing label is empty and unquoted. Floats are the shortest
    that read back as the same float32.
    """
    names = ["path", "label", *(f"pc{i}" for i in range(1, k + 1))]
    schema = pa.schema([(n, pa.string() if n in names[:2] else pa.float32()) for n in names])
    done = 0
    with out.open("wb") as file:
        file.write((",".join(names) + "\n").encode())
        options = pyarrow.csv.WriteOptions(include_header=False)
        with pyarrow.csv.CSVWriter(file, schema, write_options=options) as writer:
            for batch in _batches(matrix, max(1, _CSV_CELLS_A_BLOCK // (k + 2))):
                values = np.asarray(batch.column("components").flatten()).reshape(len(batch), k)
                columns = [pa.array(np.ascontiguousarray(column)) for column in values.T]
                arrays = [batch.column("path"), batch.column("label"), *columns]
                writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
                done += len(batch)
                tell(done)


def _batches(table: Path, rows: int) -> Iterator[pa.RecordBatch]:
    for file in files_of(table):
        with pq.ParquetFile(file) as parquet:
            yield from parquet.iter_batches(batch_size=rows)
