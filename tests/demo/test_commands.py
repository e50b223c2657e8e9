"""`verger demo` and `verger prepare`, as the Makefile calls them."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import pandas as pd
import pytest

from program import DEMO, execute, verger

# argv: a setting of Spark's.
SESSION = """
import sys
from verger.settings import RunSettings
from verger.spark.session import session
with session(RunSettings(cores=1, spark_conf=(sys.argv[1],)), short=True) as spark:
    print(spark.range(3).count())
"""


@pytest.mark.slow
def test_demo(tmp_path: Path) -> None:
    ended = execute([sys.executable, "-c", DEMO, "demo", "an orchard"], cwd=tmp_path)
    assert ended.code == 0, ended.err
    store = tmp_path / "an orchard" / "store"
    record = json.loads((store / "run.json").read_text())
    assert record["labels"] >= 24
    assert record["counts"]["embedded"] == record["labels"] * 3
    assert record["counts"]["rejected"] == 0
    assert len(pd.read_parquet(store / "matrix")) == record["counts"]["embedded"]
    assert "an orchard/store" in ended.out
    (line,) = re.findall(r"(verger identify .*)", ended.out)
    assert line == "verger identify 'an orchard/store' 'an orchard/new/pomegranate.jpg'"
    named = verger("identify", str(store), str(tmp_path / "an orchard" / "new" / "pomegranate.jpg"))
    assert "Pomegranate" in named.out
    assert "\x1b" not in ended.out + ended.err
    folders = {photo.parent.parent.name for photo in tmp_path.rglob("*_100.jpg")}
    assert folders == {"Training", "Test"}


@pytest.mark.spark
def test_prepare_and_a_session_after_it(tmp_path: Path) -> None:
    """The archive lies in a cache folder with a space in its name, and the next Java uses it."""
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
    ended = execute([sys.executable, "-c", SESSION, strict], env)
    assert (ended.code, ended.out, ended.err) == (0, "3\n", "")
