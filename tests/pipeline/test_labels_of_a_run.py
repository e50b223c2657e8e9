"""Labels of every kind, in the tables of a whole run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from whole_runs import Here

pytestmark = pytest.mark.slow

NAMES = ("red/one.jpg", "red/two.jpg", "green/three.jpg", "four.jpg")


@pytest.mark.parametrize(
    ("label_from", "expected", "note"),
    [
        ("none", [None, None, None, None], None),
        (r"regex:^(\w+)/", ["red", "red", "green", None], "1 of 4 photos has no label."),
        ("labels.csv", ["a, b", "c d", None, "é"], "1 of 4 photos has no label."),
    ],
)
def test_label_from(
    here: Here,
    photos_of: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    label_from: str,
    expected: list[str | None],
    note: str | None,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("labels.csv").write_text(
        'path,label\nred/one.jpg,"a, b"\nred/two.jpg,"c\nd"\nfour.jpg,é\n', encoding="utf-8"
    )
    ended = here("run", photos_of(*NAMES), "store", "--label-from", label_from, "--json")
    assert ended.code == 0, ended.err
    for table in ("features", "matrix"):
        rows = pd.read_parquet(tmp_path / "store" / table).set_index("path")
        labels = [None if pd.isna(label) else label for label in rows.loc[list(NAMES), "label"]]
        assert labels == expected
    lines = pd.read_csv("store/matrix.csv").set_index("path")
    labels = [None if pd.isna(label) else label for label in lines.loc[list(NAMES), "label"]]
    assert labels == expected
    record = json.loads(ended.out)
    assert record["labels"] == len(set(expected) - {None})
    if note:
        assert note in record["notes"]


def test_a_relative_store_and_photos_with_a_colon(
    here: Here, photos_of: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos_of(*NAMES).rename(tmp_path / "in:[1]")
    monkeypatch.chdir(tmp_path)
    ended = here("run", "in:[1]", "out:put/{a}")
    assert ended.code == 0, ended.err
    rows = pd.read_parquet(tmp_path / "out:put/{a}/features")
    assert dict(zip(rows["path"], rows["label"], strict=True)) == {
        "red/one.jpg": "red",
        "red/two.jpg": "red",
        "green/three.jpg": "green",
        "four.jpg": "in:[1]",
    }
    assert all(np.isfinite(row).all() for row in rows["features"])
