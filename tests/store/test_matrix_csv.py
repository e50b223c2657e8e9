"""`verger export --csv`: the matrix as the file that a run leaves, whole or not at all."""

from __future__ import annotations

import csv
import errno
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from program import PATIENCE
from verger.errors import StoreError, UsageError, VergerError
from verger.store import matrix_csv
from verger.store.matrix import SCHEMA
from verger.store.matrix_csv import export_csv
from verger.store.publication import Publication
from verger.store.store import Store
from verger.store.tables import TableWriter, write_csv

K, ROWS = 3, 500
NAMES = ['comma, "quoted".jpg', "Éclair/1.jpg", "=1+1.jpg"]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A STORE whose matrix has two files, and names that a CSV file has to quote."""
    store = Store(tmp_path / "store")
    store.place.put(".verger/store.json", b"{}")
    paths = sorted([*NAMES, *(f"{row:05d}.jpg" for row in range(ROWS - len(NAMES)))])
    values = np.random.default_rng(0).normal(size=(ROWS, K)).astype(np.float32)
    columns = {"path": paths, "label": [None, *["a"] * (ROWS - 1)], "components": values.tolist()}
    rows = pa.Table.from_pydict(columns, SCHEMA)
    files = []
    with store.working() as work:
        for number, part in enumerate((rows.slice(0, 200), rows.slice(200))):
            files.append(work.built(f"matrix/part-{number}.parquet"))
            with store.place.incoming(files[-1]) as file, TableWriter(file, SCHEMA) as table:
                for batch in part.to_batches():
                    table.add(batch)
        record = {"counts": {"embedded": ROWS}, "projection": {"k": K}}
        store.publish(work, record, Publication({"matrix": files}))
    return store


def test_it_is_the_file_that_a_run_writes(store: Store, tmp_path: Path) -> None:
    out, of_a_run = tmp_path / "out é.csv", tmp_path / "of a run.csv"
    assert export_csv(store, out) == ROWS
    write_csv(store.place, store.table("matrix"), of_a_run, K, lambda _: None)
    assert out.read_bytes() == of_a_run.read_bytes()
    with out.open(encoding="utf-8", newline="") as file:
        head, *rows = list(csv.reader(file))
    assert head == ["path", "label", "pc1", "pc2", "pc3"]
    matrix = pq.read_table(Path(store.root) / "matrix")
    assert [row[0] for row in rows] == matrix["path"].to_pylist()
    assert {*NAMES} <= {row[0] for row in rows}
    numbers = np.array([row[2:] for row in rows], dtype=np.float32)
    np.testing.assert_array_equal(numbers, np.stack(matrix["components"].to_numpy()))


def test_what_is_there_is_not_written_over(store: Store, tmp_path: Path) -> None:
    there = tmp_path / "there.csv"
    there.write_text("mine")
    for output, why in (
        (there, "already exists"),
        (tmp_path, "already exists"),
        (tmp_path / "none" / "matrix.csv", "There is no folder"),
        ("s3://bucket/matrix.csv", "is not a file on this machine"),
        ("-", "is not a file on this machine"),
    ):
        with pytest.raises(UsageError, match=why):
            export_csv(store, output)
    assert there.read_text() == "mine"


def test_nothing_is_left_of_what_could_not_be_written(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    out = tmp_path / "new" / "matrix.csv"
    out.parent.mkdir()
    monkeypatch.setattr(matrix_csv, "write_csv", full)
    with pytest.raises(VergerError, match="is full"):
        export_csv(store, out)
    monkeypatch.setattr(matrix_csv, "write_csv", lambda *_: ROWS - 1)  # of another run's files
    with pytest.raises(StoreError, match="changed while it was read"):
        export_csv(store, out)
    assert list(out.parent.iterdir()) == []
    monkeypatch.undo()
    part = next((Path(store.root) / "matrix").iterdir())
    part.write_bytes(part.read_bytes()[:-1])
    with pytest.raises(StoreError, match=part.name):
        export_csv(store, out)
    assert list(out.parent.iterdir()) == []


@pytest.mark.slow
def test_the_command(store: Store, tmp_path: Path) -> None:
    def export(*args: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "verger", "export", store.root, *args]
        return subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=PATIENCE
        )

    named, again = export("--csv", "named.csv"), export("--csv", "named.csv")
    assert (named.returncode, named.stdout) == (0, f"named.csv: {ROWS} rows.\n")
    assert again.returncode == 2
    assert again.stderr.startswith("verger: named.csv already exists.")
    assert export("--quiet", "--csv").stdout == ""
    assert (tmp_path / "matrix.csv").read_bytes() == (tmp_path / "named.csv").read_bytes()
    assert export().returncode == 2
