"""The notebook, run top to bottom in a kernel of its own, as `verger notebook --execute` does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from program import verger
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
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 4
    (csv,) = (store / "notebook" / "matrix.csv").glob("part-*.csv")
    table = pd.read_csv(csv)
    components = np.stack(pq.read_table(store / "notebook" / "matrix").to_pandas()["components"])
    assert table.shape == (30, 2 + components.shape[1])
    assert sorted(table["path"]) == sorted(
        file.relative_to(orchard).as_posix() for file in orchard.rglob("*.jpg")
    )
    np.testing.assert_allclose(table.iloc[:, 2:].mean(), 0, atol=1e-5)
