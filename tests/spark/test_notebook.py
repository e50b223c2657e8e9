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
    spark: SparkSession, whole: Whole, copy_of: Callable[[Path], Path], tmp_path: Path, agg: None
) -> None:
    store = copy_of(whole.store)
    file = tmp_path / "notebook.py"
    write_notebook(store, file, language="fr")
    given: dict[str, Any] = {"spark": spark, "__name__": "notebook"}
    exec(compile(file.read_text(), str(file), "exec"), given)  # noqa: S102 - our own text
    assert spark.range(3).count() == 3  # it goes on
    # Spark does not list what begins with _ or a dot, and knows of no photo but by its name.
    expected = {path for path in whole.photos.kept if "_hidden" not in path}
    written = pq.read_table(store / "notebook" / "matrix").to_pandas()
    assert set(written["path"]) == expected
    assert dict(zip(written["path"], written["label"], strict=True)) == {
        path: label for path, (label, _, _) in whole.photos.kept.items() if path in expected
    }
    rejected = pq.read_table(store / "notebook" / "features").to_pandas().dropna(subset="reason")
    found = dict(zip(rejected["path"], rejected["reason"], strict=True))
    assert found.items() <= whole.photos.rejected.items()
    assert len(found) >= 5


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

