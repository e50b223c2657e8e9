"""`verger demo` and `verger prepare`, as the Makefile calls them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pandas as pd
import pytest

from program import verger

pytestmark = pytest.mark.spark


def test_demo(tmp_path: Path) -> None:
    ended = verger("demo", "an orchard", cwd=tmp_path)
    assert ended.code == 0, ended.err
    store = tmp_path / "an orchard" / "store"
    record = json.loads((store / "run.json").read_text())
    assert record["labels"] >= 24
    assert record["counts"]["embedded"] >= 24 * 12
    assert record["counts"]["rejected"] == 0
    assert len(pd.read_parquet(store / "matrix")) == record["counts"]["embedded"]
    assert "an orchard/store" in ended.out
    assert "Next:" in ended.out
    assert "\x1b" not in ended.out + ended.err
    folders = {photo.parent.parent.name for photo in tmp_path.rglob("*_100.jpg")}
    assert folders == {"Training", "Test"}


def test_prepare_and_a_run_after_it(tmp_path: Path, orchard: Path) -> None:
    """The archive is made, in a cache folder with a space in its name, and the next run uses it."""
    home = tmp_path / "a home"
    env = {**os.environ, "HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache")}
    ended = verger("prepare", env=env)
    assert ended.code == 0, ended.err
    assert ended.out == "Ready: Spark starts faster from now on.\n"
    archives = list(home.rglob("spark.jsa"))
    assert len(archives) == 1
    assert archives[0].stat().st_size > 20e6
    # Java ends at once where it cannot use an archive that it must.
    strict = f"spark.driver.extraJavaOptions=-Xshare:on -Dverger.test={tmp_path.name}"
    ended = verger("run", orchard, tmp_path / "store", "--quiet", "--spark-conf", strict, env=env)
    assert (ended.code, ended.out, ended.err) == (0, "", "")
