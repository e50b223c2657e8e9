"""The notebook, run top to bottom: in a session that is given, and in a kernel of its own."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from verger.notebook import write_notebook

from .conftest import Whole
from .program import verger


@pytest.fixture
def agg(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("MPLBACKEND", "Agg")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "FigureCanvasAgg is non-interactive")
        yield


def test_a_session_that_is_given_is_used(
    spark: SparkSession,
    whole: Whole,
    copy_of: Callable[[Path], Path],
    photos_of: Callable[..., Path],
    tmp_path: Path,
    agg: None,
) -> None:
    names = ["été [x]/{a}*.JPG", "été [x]/b?.jpg", "it's/100% #1.jpeg", "it's/d.jpg", "root.jpg"]
    photos = photos_of(*names).rename(tmp_path / "photos {1} [x] é")
    (photos / "it's" / "cut.jpg").write_bytes((photos / "it's" / "d.jpg").read_bytes()[:700])
    (photos / "notes.txt").write_text("no photo")
    store = copy_of(whole.store).rename(tmp_path / "store [x] {1}")
    file = tmp_path / "notebook.py"
    write_notebook(store, file, photos=str(photos), language="fr")
    given: dict[str, Any] = {"spark": spark, "__name__": "notebook"}
    exec(compile(file.read_text(), str(file), "exec"), given)  # noqa: S102 - our own text
    assert spark.range(3).count() == 3  # it goes on
    written = pq.read_table(store / "notebook" / "matrix").to_pandas()
    assert dict(zip(written["path"], written["label"], strict=True)) == {
        name: Path(photos.name, name).parent.name for name in names
    }
    assert written["components"].map(len).unique().tolist() == [given["pca"].projection.k]
    embedded = pq.read_table(store / "notebook" / "features").to_pandas()
    rejected = embedded[embedded["features"].isna()]
    assert rejected[["path", "reason"]].to_numpy().tolist() == [["it's/cut.jpg", "truncated"]]


def test_a_kernel_runs_it_for_the_command(
    whole: Whole, orchard: Path, copy_of: Callable[[Path], Path], tmp_path: Path
) -> None:
    store = copy_of(whole.store)
    file = tmp_path / "it's mine.ipynb"
    ended = verger("notebook", store, "--photos", orchard, "--to", file, "--execute")
    assert ended.code == 0, ended.err
    assert ended.out == f"{file}\n"
    notebook = nbformat.read(file, as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 4
    (csv,) = (store / "notebook" / "matrix.csv").glob("part-*.csv")
    table = pd.read_csv(csv)
    components = np.stack(pq.read_table(store / "notebook" / "matrix").to_pandas()["components"])
    assert table.shape == (30, 2 + components.shape[1])
    assert sorted(table["path"]) == sorted(
        file.relative_to(orchard).as_posix() for file in orchard.rglob("*.jpg")
    )
    np.testing.assert_allclose(table.iloc[:, 2:].mean(), 0, atol=1e-5)
