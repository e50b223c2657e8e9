"""The notebook, run top to bottom in a kernel of its own, as `verger notebook --execute` does."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from program import verger
from verger.pipeline import run
from verger.report.data import build
from verger.settings import RunSettings
from verger.store.store import Store
from verger.texts.numbers import Numbers
from whole_runs import Whole

pytestmark = pytest.mark.spark


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
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 5
    assert re.search(r"^Notebook: \d+/\d+ cells in ", ended.err, re.M)  # a bar on a terminal
    table = pd.read_csv(store / "notebook" / "matrix.csv")  # one file
    assert list(table["path"]) == sorted(table["path"])
    components = np.stack(pq.read_table(store / "notebook" / "matrix").to_pandas()["components"])
    assert table.shape == (30, 2 + components.shape[1])
    assert sorted(table["path"]) == sorted(
        file.relative_to(orchard).as_posix() for file in orchard.rglob("*.jpg")
    )
    of_orchard = tmp_path / "of the same photos"
    run(orchard, of_orchard, RunSettings(engine="process", report=False))
    apart = build(Store(of_orchard)).separation
    assert apart is not None
    told = "".join(output.get("data", {}).get("text/html", "") for output in outputs)
    assert f"purity of {apart.neighbours}" in told
    for purity in apart.overall:  # what report and slides say, to the digit
        assert f">{Numbers('en').percent(purity)}<" in told
    for way in ("from the package, once per process", "by broadcast, to one worker"):
        assert way in told
    np.testing.assert_allclose(table.iloc[:, 2:].mean(), 0, atol=1e-5)
