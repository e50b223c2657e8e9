"""Reading back what Spark wrote, and the matrix as CSV: exact, in small pieces."""

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

from verger.tables import count_by, files_of, rows_of, write_csv

if TYPE_CHECKING:
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


def test_rows_and_values_are_counted_over_all_files(tmp_path: Path) -> None:
    table, rows, _ = awkward_matrix(tmp_path / "matrix")
    assert [file.name[:10] for file in files_of(table)] == [
        "part-00000",
        "part-00001",
        "part-00002",
    ]
    assert rows_of(table) == len(rows)
    assert rows_of(tmp_path / "gone") == 0
    assert count_by(tmp_path / "gone", "label") == {}


def test_counts_are_the_most_frequent_first(tmp_path: Path) -> None:
    parts: list[list[tuple[str, str | None]]] = [
        [("1", "plum"), ("2", "fig"), ("3", "plum")],
        [("4", "fig"), ("5", "fig"), ("6", "apple"), ("7", "plum")],
    ]
    table = matrix(tmp_path / "matrix", parts, np.zeros((7, 1), np.float32))
    assert list(count_by(table, "label").items()) == [("fig", 3), ("plum", 3), ("apple", 1)]


def test_the_csv_is_one_file_with_one_header_that_reads_back_exactly(tmp_path: Path) -> None:
    table, rows, values = awkward_matrix(tmp_path / "matrix")
    out = tmp_path / "matrix.csv"
    told: list[int] = []
    write_csv(table, out, 3, told.append)
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
    write_csv(table, tmp_path / "matrix.csv", 3, lambda _done: None)
    text = (tmp_path / "matrix.csv").read_bytes()
    assert b'\n"none.jpg",,' in text
    assert b'\n"empty.jpg","",' in text


def test_pandas_duckdb_and_polars_read_the_csv_alike(tmp_path: Path) -> None:
    table, rows, values = awkward_matrix(tmp_path / "matrix")
    file = tmp_path / "matrix.csv"
    write_csv(table, file, 3, lambda _done: None)
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
    write_csv(table, tmp_path / "k0.csv", 0, lambda _done: None)
    assert (tmp_path / "k0.csv").read_text() == 'path,label\n"a.jpg","x"\n"b.jpg",\n'
    empty = matrix(tmp_path / "n0", [[]], np.zeros((0, 2), np.float32))
    write_csv(empty, tmp_path / "n0.csv", 2, lambda _done: None)
    assert (tmp_path / "n0.csv").read_text() == "path,label,pc1,pc2\n"


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
    write_csv(table, tmp_path / "matrix.csv", 200, tell)
    python = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(calls) >= 4
    assert calls[-1] == rows
    assert peak < 60_000_000
    assert python < 20_000_000
