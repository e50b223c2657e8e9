"""A STORE that grew has the report of one that was made at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from report_orchard import VIEWS, again, jpeg
from report_stores import lay
from verger.demo.render import VARIETIES
from verger.gallery import build
from verger.gallery.files import HEADER
from verger.pipeline import run
from verger.report import data, kept_neighbours
from verger.settings import RunSettings

_SETTINGS = RunSettings(engine="process", csv=False)
_OF_EACH_RUN = {"drift.parquet", "kept-sheets.parquet", "kept-neighbours.parquet"}
_HELD = {"neighbours_x", "neighbours_y"}  # where the runs before put them


@pytest.mark.slow
@pytest.mark.parametrize("sampled", [False, True])
def test_findings_are_those_of_one_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sampled: bool
) -> None:
    """Photos come in three parts, not in order of path; some go, and some get another label.

    The same where they are too many to look at each, and to validate on each.
    """
    monkeypatch.setattr(kept_neighbours, "_FEW", 2)
    if sampled:
        monkeypatch.setattr(data, "MOST_LOOKED_AT", 60)
        monkeypatch.setattr(data, "MOST_ON_MAP", 30)
        monkeypatch.setattr(build, "VALIDATED", 110)
    photos = {
        f"{variety}/{view}.jpg": jpeg(variety, view)
        for variety in VARIETIES[:18:2]
        for view in range(VIEWS)
    }
    first, second = (f"{variety}/0.jpg" for variety in VARIETIES[:4:2])
    photos |= {
        f"{VARIETIES[0]}/copy.jpg": photos[second],
        f"{VARIETIES[4]}/again.jpg": again(photos[first], 70),
        f"{VARIETIES[2]}/wrong.jpg": jpeg(VARIETIES[8], 3),
        "broken.jpg": b"no photo",
    }
    grown, store = tmp_path / "photos", tmp_path / "store"
    for part in (2, 0, 1):
        lay(grown, {path: photos[path] for path in sorted(photos)[part::3]})
        if part == 2:
            lay(grown, {"m/twins/1.jpg": photos[first], "m/twins/2.jpg": photos[second]})
        elif part == 0:
            (grown / "m" / "twins").rename(grown / "a")
        else:
            (grown / "a" / "1.jpg").unlink()
        run(grown, store, _SETTINGS)
    run(grown, tmp_path / "fresh", _SETTINGS)
    one, other = (tmp_path / name / "report" for name in ("store", "fresh"))
    tables = {file.name for file in other.glob("*.parquet")} - _OF_EACH_RUN
    assert {"duplicates.parquet", "mislabelled.parquet", "outliers.parquet"} <= tables
    for name in sorted(tables):
        expected = pq.read_table(other / name)
        columns = [column for column in expected.column_names if column not in _HELD]
        same(name, pq.read_table(one / name, columns=columns), expected.select(columns))
    for made in (one, other):
        held = pq.read_table(made / "map.parquet", columns=sorted(_HELD))
        assert all(np.isfinite(column).all() for column in held)
    assert len(pq.read_table(other / "duplicates.parquet")) >= 5
    assert sampled or len(pq.read_table(other / "mislabelled.parquet"))
    ours, theirs = (calibration_of(tmp_path / name) for name in ("store", "fresh"))
    assert theirs["photos"] != 0
    assert ours.keys() == theirs.keys()
    for key, value in theirs.items():
        np.testing.assert_allclose(ours[key], value, rtol=1e-4, atol=1e-4, err_msg=key)


def calibration_of(store: Path) -> dict[str, Any]:
    """Return the numbers of a gallery's calibration, by name."""
    found = json.loads((store / "gallery" / HEADER).read_text())["calibration"]
    return dict(_numbers(found))


def _numbers(value: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, one in value.items():
        if isinstance(one, dict):
            yield from _numbers(one, f"{before}{name}.")
        else:
            yield before + name, one


def same(name: str, one: pa.Table, other: pa.Table) -> None:
    assert one.schema == other.schema, name
    assert len(one) == len(other), name
    for column in one.column_names:
        a, b = one[column], other[column]
        if pa.types.is_floating(a.type):
            far = pc.max(pc.abs(pc.subtract(a, b))).as_py()
            assert far is None or far <= 1e-4, (name, column)
        else:
            assert a.equals(b), (name, column)
