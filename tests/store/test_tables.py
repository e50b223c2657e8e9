"""Tables written and read in small groups, and the matrix as CSV: exact."""

from __future__ import annotations

import csv
import tracemalloc
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from verger.errors import StoreError
from verger.storage.folder import LocalPlace
from verger.store.tables import ROWS_A_GROUP, TableWriter, batches, rows_of, write_csv

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy.typing as npt

AWKWARD = [
    "a.jpg",
    "with space.jpg",
    "com,ma.jpg",
    'quo"te.jpg',
    '"',
    "two\nlines.jpg",
    "two\r\nlines.jpg",
    "pêche 桃🍑.jpg",
    "100%#.jpg",
    "back\\slash.jpg",
    " led by a space.jpg",
    "=1+1.jpg",
    "NULL",
    "nan",
]


def matrix(
    folder: Path, parts: list[list[tuple[str, str | None]]], values: npt.NDArray[np.float32]
) -> Path:
    """Write a matrix as Spark does: a file a task, and marks of success beside them."""
    folder.mkdir()
    at = 0
    for number, part in enumerate(parts):
        table = pa.table(
            {
                "path": pa.array([path for path, _ in part], pa.string()),
                "label": pa.array([label for _, label in part], pa.string()),
                "components": pa.array(
                    [list(row) for row in values[at : at + len(part)]], pa.list_(pa.float32())
                ),
            }
        )
        pq.write_table(table, folder / f"part-{number:05d}-x.snappy.parquet")
        at += len(part)
    (folder / "_SUCCESS").touch()
    (folder / ".part-00000-x.snappy.parquet.crc").touch()
    return folder


def awkward_matrix(
    folder: Path, k: int = 3
) -> tuple[Path, list[tuple[str, str | None]], list[list[float]]]:
    rows: list[tuple[str, str | None]] = [(name, name) for name in AWKWARD]
    rows += [("none.jpg", None), ("empty.jpg", "")]
    rng = np.random.default_rng(0)
    values = (
        rng.normal(size=(len(rows), k)) * 10.0 ** rng.integers(-30, 30, (len(rows), k))
    ).astype(np.float32)
    return matrix(folder, [rows[:5], [], rows[5:]], values), rows, values.tolist()


def files_of(table: Path) -> list[str]:
    return LocalPlace(table).files(".", ".parquet")


def csv_of(table: Path, out: Path, k: int, tell: Callable[[int], None] | None = None) -> Path:
    write_csv(LocalPlace(table), files_of(table), out, k, tell or (lambda _done: None))
    return out


# Parquet ------------------------------------------------------------------------------------------

SCHEMA = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        pa.field("label", pa.string()),
        pa.field("features", pa.list_(pa.float32())),
        pa.field("thumbnail", pa.binary()),
        pa.field("bytes", pa.int64()),
    ]
)


def batch_of(start: int, rows: int) -> pa.RecordBatch:
    numbers = range(start, start + rows)
    columns = [
        [f"{n:06d}.jpg" for n in numbers],
        [f"label {n % 7}" if n % 5 else None for n in numbers],
        [[n / 3, -float(n)] for n in numbers],
        [b"\xff\xd8" * (n % 4) for n in numbers],
        list(numbers),
    ]
    arrays = [pa.array(values, f.type) for values, f in zip(columns, SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


@pytest.mark.parametrize("size", [1, 63, 512, 1024, 1500, 5000])
def test_what_is_written_is_read_back_whatever_the_batches(tmp_path: Path, size: int) -> None:
    place, rows = LocalPlace(tmp_path), 5003
    with TableWriter(tmp_path / "t.parquet", SCHEMA) as table:
        for start in range(0, rows, size):
            table.add(batch_of(start, min(size, rows - start)))
            table.add(batch_of(0, 0))
    assert table.rows == rows == rows_of(place, ["t.parquet"])
    read = list(batches(place, "t.parquet"))
    assert all(len(batch) <= ROWS_A_GROUP for batch in read)
    found = pa.Table.from_batches(read)
    assert found.schema.equals(SCHEMA)
    assert found.to_pylist() == batch_of(0, rows).to_pylist()
    footer = pq.read_metadata(tmp_path / "t.parquet")
    groups = [footer.row_group(n).num_rows for n in range(footer.num_row_groups)]
    assert max(groups) < ROWS_A_GROUP + max(size, 1)
    assert min(groups[:-1]) >= ROWS_A_GROUP


def test_a_table_of_no_row_is_one(tmp_path: Path) -> None:
    with TableWriter(tmp_path / "t.parquet", SCHEMA) as table:
        table.add(batch_of(0, 0))
    assert table.rows == rows_of(LocalPlace(tmp_path), ["t.parquet"]) == 0
    assert list(batches(LocalPlace(tmp_path), "t.parquet")) == []
    assert pq.read_schema(tmp_path / "t.parquet").equals(SCHEMA)


def test_a_batch_of_another_schema_is_refused(tmp_path: Path) -> None:
    wrong = batch_of(0, 3).select(["path", "label"])
    with pytest.raises((ValueError, pa.ArrowInvalid)):
        write_both(tmp_path / "t.parquet", batch_of(0, 3), wrong)


def write_both(file: Path, *some: pa.RecordBatch) -> None:
    with TableWriter(file, SCHEMA) as table:
        for batch in some:
            table.add(batch)


def test_columns_are_read_as_asked_for(tmp_path: Path) -> None:
    with TableWriter(tmp_path / "t.parquet", SCHEMA) as table:
        table.add(batch_of(0, 100))
    read = list(batches(LocalPlace(tmp_path), "t.parquet", ["bytes", "path"], rows=30))
    assert [len(batch) for batch in read] == [30, 30, 30, 10]
    assert set(read[0].schema.names) == {"path", "bytes"}
    assert [n for batch in read for n in batch.column("bytes").to_pylist()] == list(range(100))


def test_what_does_not_compress_is_not_compressed_and_paths_have_statistics(
    tmp_path: Path,
) -> None:
    with TableWriter(tmp_path / "t.parquet", SCHEMA) as table:
        table.add(batch_of(0, 100))
    group = pq.read_metadata(tmp_path / "t.parquet").row_group(0)
    columns = {c.path_in_schema: c for c in (group.column(n) for n in range(group.num_columns))}
    assert {name: column.compression for name, column in columns.items()} == {
        "path": "SNAPPY", "label": "SNAPPY", "features.list.element": "UNCOMPRESSED",
        "thumbnail": "UNCOMPRESSED", "bytes": "SNAPPY",
    }  # fmt: skip
    assert columns["path"].statistics.min == "000000.jpg"
    assert columns["path"].statistics.max == "000099.jpg"
    assert not columns["thumbnail"].is_stats_set
    assert not columns["features.list.element"].is_stats_set
    assert any("DICT" in encoding for encoding in columns["label"].encodings)
    assert not any("DICT" in encoding for encoding in columns["path"].encodings)


def test_rows_are_counted_over_all_files(tmp_path: Path) -> None:
    table, rows, _ = awkward_matrix(tmp_path / "matrix")
    files = files_of(table)
    assert [file[:12] for file in files] == ["./part-00000", "./part-00001", "./part-00002"]
    assert rows_of(LocalPlace(table), files) == len(rows)
    assert rows_of(LocalPlace(table), []) == 0
    with pytest.raises(StoreError, match="is missing"):  # it is no table of no row
        rows_of(LocalPlace(table), ["gone.parquet"])


# CSV ----------------------------------------------------------------------------------------------


def test_the_csv_is_one_file_with_one_header_that_reads_back_exactly(tmp_path: Path) -> None:
    table, rows, values = awkward_matrix(tmp_path / "matrix")
    out = tmp_path / "matrix.csv"
    told: list[int] = []
    csv_of(table, out, 3, told.append)
    assert told[-1] == len(rows)
    with out.open(encoding="utf-8", newline="") as lines:
        read = list(csv.reader(lines))
    assert read[0] == ["path", "label", "pc1", "pc2", "pc3"]
    assert [row[0] for row in read[1:]] == [path for path, _ in rows]
    assert [row[1] for row in read[1:]] == [label or "" for _, label in rows]
    found = np.array([row[2:] for row in read[1:]], dtype=np.float64).astype(np.float32)
    assert found.tolist() == values
    assert out.read_bytes().count(b"pc1") == 1


def test_a_missing_label_is_told_from_an_empty_one(tmp_path: Path) -> None:
    table, _, _ = awkward_matrix(tmp_path / "matrix")
    csv_of(table, tmp_path / "matrix.csv", 3)
    text = (tmp_path / "matrix.csv").read_bytes()
    assert b'\n"none.jpg",,' in text
    assert b'\n"empty.jpg","",' in text


def test_pandas_duckdb_and_polars_read_the_csv_alike(tmp_path: Path) -> None:
    table, rows, values = awkward_matrix(tmp_path / "matrix")
    file = tmp_path / "matrix.csv"
    csv_of(table, file, 3)
    paths = [path for path, _ in rows]
    by_pandas = pd.read_csv(file, keep_default_na=False, dtype={"path": str})
    by_polars = pl.read_csv(file)
    by_duckdb = duckdb.read_csv(str(file), header=True).fetchall()
    assert by_pandas["path"].tolist() == by_polars["path"].to_list() == paths
    assert [row[0] for row in by_duckdb] == paths
    first = [row[0] for row in values]
    np.testing.assert_array_equal(by_pandas["pc1"].astype(np.float32), first)
    np.testing.assert_array_equal(by_polars["pc1"].cast(pl.Float32).to_numpy(), first)


def test_a_matrix_without_components_or_rows_still_has_its_header(tmp_path: Path) -> None:
    table = matrix(
        tmp_path / "k0", [[("a.jpg", "x"), ("b.jpg", None)]], np.zeros((2, 0), np.float32)
    )
    csv_of(table, tmp_path / "k0.csv", 0)
    assert (tmp_path / "k0.csv").read_text() == 'path,label\n"a.jpg","x"\n"b.jpg",\n'
    empty = matrix(tmp_path / "n0", [[]], np.zeros((0, 2), np.float32))
    csv_of(empty, tmp_path / "n0.csv", 2)
    assert (tmp_path / "n0.csv").read_text() == "path,label,pc1,pc2\n"


@pytest.mark.slow
def test_the_csv_is_written_in_constant_memory(tmp_path: Path) -> None:
    """Blocks, not the table: of 20,000 × 200 values (16 MB, 48 MB as text) few are held at once."""
    rows = 20_000
    values = np.random.default_rng(0).normal(size=(rows, 200)).astype(np.float32)
    names: list[tuple[str, str | None]] = [(f"{n}.jpg", "x") for n in range(rows)]
    table = matrix(tmp_path / "matrix", [names], values)
    calls: list[int] = []
    before = pa.total_allocated_bytes()
    peak = 0

    def tell(done: int) -> None:
        nonlocal peak
        calls.append(done)
        peak = max(peak, pa.total_allocated_bytes() - before)

    tracemalloc.start()
    csv_of(table, tmp_path / "matrix.csv", 200, tell)
    python = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(calls) >= 4
    assert calls[-1] == rows
    assert peak < 60_000_000
    assert python < 20_000_000


def test_what_is_read_is_held_a_group_at_a_time(tmp_path: Path) -> None:
    rows = 30_000
    with TableWriter(tmp_path / "t.parquet", SCHEMA) as table:
        for start in range(0, rows, 500):
            table.add(batch_of(start, 500))
    before, peak, seen = pa.total_allocated_bytes(), 0, 0
    for batch in batches(LocalPlace(tmp_path), "t.parquet", ["path", "bytes"]):
        seen += len(batch)
        peak = max(peak, pa.total_allocated_bytes() - before)
    assert seen == rows
    assert peak < 600_000  # all of them are 780 kB at least
