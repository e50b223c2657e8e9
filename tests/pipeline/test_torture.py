"""A whole run over the torture folder gives what its table says, file by file."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from makers import torture
from whole_runs import Here

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings(r"ignore::Warning:PIL\..*")]

_SIDE = 32  # pixels, at which thumbnails are compared
_THUMBNAIL = 2.0  # levels that its own JPEG costs


def test_a_run_over_the_torture_folder(here: Here, tmp_path: Path) -> None:
    photos, store = tmp_path / "photos", tmp_path / "store"
    torture.make(photos)
    rows = torture.expected(photos)
    ended = here("run", photos, store, "--max-rejects", "1", "--no-csv", "--json")
    assert ended.code == 0, ended.err
    embedded = {path: row for path, row in rows.items() if row.outcome == torture.EMBEDDED}
    rejected = {path: row for path, row in rows.items() if row.outcome == torture.REJECTED}
    counts = json.loads(ended.out)["counts"]
    assert (counts["listed"], counts["embedded"], counts["rejected"]) == (
        len(embedded) + len(rejected), len(embedded), len(rejected),
    )  # fmt: skip
    rejects = pd.read_parquet(store / "rejects").set_index("path")["reason"]
    assert rejects.to_dict() == {path: row.reason for path, row in rejected.items()}
    features = pd.read_parquet(store / "features").set_index("path")
    assert features["label"].to_dict() == {path: row.label for path, row in embedded.items()}
    assert len(pd.read_parquet(store / "matrix")) == len(embedded)
    vectors = {path: np.array(row) for path, row in features["features"].items()}
    small = {path: _small(jpeg) for path, jpeg in features["thumbnail"].items()}
    for path, row in embedded.items():
        if not row.most:
            np.testing.assert_allclose(vectors[path], vectors[row.like], atol=1e-4, err_msg=path)
        assert np.abs(small[path] - small[row.like]).mean() <= row.mean + _THUMBNAIL, path


def _small(jpeg: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(jpeg)).resize((_SIDE, _SIDE))).astype(int)
