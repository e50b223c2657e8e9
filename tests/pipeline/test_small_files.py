"""A STORE that grows a little each day: its small files are merged when they are many."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from verger.pipeline import reduce, run
from whole_runs import NO_REPORT

pytestmark = pytest.mark.slow


def test_small_files_of_many_days_become_one(
    few: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("verger.store.parts.MOST_SMALL", 2)
    photos, store = tmp_path / "photos", tmp_path / "store"
    for number in range(3):
        (photos / f"{number}").mkdir(parents=True)
    files = []
    for day in range(4):
        for number in range(3):
            (photos / f"{number}" / f"{day}.jpg").hardlink_to(few[3 * day + number])
        if day == 3:  # one is gone, from a file that is merged
            (photos / "1" / "0.jpg").unlink()
        record = run(photos, store, NO_REPORT).record
        files.append(len(list((store / "features").glob("*.parquet"))))
        assert record["changes"]["new"] == 3
        if day < 3:
            assert record["moments"] == {"photos": 3 * day + 3, "read": 3}
        table = pq.read_table(store / "features")
        there = sorted(str(file.relative_to(photos)) for file in photos.glob("*/*"))
        assert sorted(table["path"].to_pylist()) == there
        assert pq.read_table(store / "matrix")["path"].to_pylist() == there
    # Two files a day at most, one a task; whatever there was on the day before has become one.
    assert files[0] <= 2
    assert files[2] <= 3
    assert files[3] <= 3
    fresh = tmp_path / "fresh"
    run(photos, fresh, NO_REPORT)
    mine, whole = (
        pq.read_table(folder / "features").sort_by("path")["features"].combine_chunks().flatten()
        for folder in (store, fresh)
    )
    assert mine.to_numpy() == pytest.approx(whole.to_numpy(), abs=1e-5)
    grown = {file.name: np.load(file) for file in (store / "projection").glob("*.npy")}
    assert len(grown) == 7
    (store / ".verger" / "moments").unlink()
    assert reduce(store, NO_REPORT).record["moments"] == {"photos": 11, "read": 11}
    for name, array in grown.items():
        exact = np.load(store / "projection" / name)
        assert array == pytest.approx(exact, rel=1e-10, abs=1e-10 * np.abs(exact).max())
    assert reduce(store, NO_REPORT).record["moments"] == {"photos": 11, "read": 0}
