"""Spark and the threads of this process: one result, and which of them does the work."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from awkward import make_awkward
from program import PATIENCE
from verger.errors import UsageError
from verger.pipeline import reduce, run
from verger.pipeline.engines import FEW, takes_spark
from verger.settings import RunSettings

pytestmark = pytest.mark.spark


@pytest.fixture
def no_spark_is_running(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verger.spark.session.running_session", lambda: None)
    monkeypatch.delenv("PYSPARK_GATEWAY_PORT", raising=False)


def table(folder: Path) -> pa.Table:
    return pq.read_table(folder).sort_by("path")


def test_both_make_the_same(
    request: pytest.FixtureRequest, few: list[Path], tmp_path: Path
) -> None:
    """Of hostile photos first; then some come, some go, and a folder gets another name."""
    request.getfixturevalue("spark")  # which 'auto' joins
    photos = make_awkward(tmp_path / "photos", few).root
    stores = {engine: tmp_path / engine for engine in ("spark", "process")}
    for step in range(3):
        if step == 1:
            for number, file in enumerate(few[:6]):
                shutil.copyfile(file, photos / f"later {number}.jpg")
            shutil.copytree(few[0].parent, photos / "more" / few[0].parent.name)
        for engine, store in stores.items():
            settings = RunSettings(engine=engine, report=False)
            made = reduce(store, settings) if step == 2 else run(photos, store, settings)
            assert (made.record["reduced"] if step == 2 else made.record)["engine"] == engine
        one, other = stores.values()
        assert table(one / "features").equals(table(other / "features"))
        assert table(one / "rejects").equals(table(other / "rejects"))
        matrix, same = table(one / "matrix"), table(other / "matrix")
        assert matrix.drop(["components"]).equals(same.drop(["components"]))
        np.testing.assert_allclose(
            np.stack(matrix["components"].to_numpy()), np.stack(same["components"].to_numpy()),
            atol=1e-5,
        )  # fmt: skip
        vectors = [
            np.sort(np.load(store / "gallery/vectors.npy"), axis=0) for store in (one, other)
        ]
        np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-5)


@pytest.mark.parametrize(
    "settings",
    [
        {"engine": "spark"},
        {"master": "local[1]"},
        {"spark_conf": ("spark.ui.enabled=true",)},
        {"memory": "1g"},
        {"device": "cuda"},
    ],
)
@pytest.mark.usefixtures("no_spark_is_running")
def test_who_asks_for_spark_gets_it(settings: dict[str, object]) -> None:
    assert takes_spark(RunSettings(**settings), 1)  # type: ignore[arg-type]


@pytest.mark.usefixtures("no_spark_is_running")
def test_many_photos_take_spark_and_few_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not takes_spark(RunSettings(), FEW)
    assert takes_spark(RunSettings(), FEW + 1)
    assert not takes_spark(RunSettings(engine="process"), 10 * FEW)
    assert not takes_spark(RunSettings(cores=1, verbose=True), 1)
    monkeypatch.setenv("PYSPARK_GATEWAY_PORT", "1")  # under spark-submit
    assert takes_spark(RunSettings(), 1)


def test_a_session_that_is_there_is_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verger.spark.session.running_session", object)
    assert takes_spark(RunSettings(), 1)
    assert not takes_spark(RunSettings(engine="process"), 1)


@pytest.mark.parametrize(
    ("option", "given"),
    [
        ("--master", {"master": "local"}),
        ("--spark-conf", {"spark_conf": ("a=b",)}),
        ("--memory", {"memory": "1g"}),
        ("--device cuda", {"device": "cuda"}),
    ],
)
def test_what_only_spark_has_is_refused_without_it(option: str, given: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=f"--engine process and {option} exclude each other"):
        RunSettings(engine="process", **given)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="--engine ray is none of auto, spark, process"):
        RunSettings(engine="ray")


def test_few_photos_need_no_java(orchard: Path, tmp_path: Path) -> None:
    """Neither on the first day nor on the next, nor to reduce; and pyspark is not even imported."""
    program = (
        "import runpy, sys; sys.argv = ['verger', *sys.argv[1:]]\n"
        "try: runpy.run_module('verger', run_name='__main__')\n"
        "finally: print('pyspark' in sys.modules, file=sys.stderr)"
    )
    photos, store = tmp_path / "photos", tmp_path / "store"
    shutil.copytree(orchard, photos)
    nowhere = os.environ | {"JAVA_HOME": str(tmp_path / "none"), "PATH": ""}

    def verger(*args: object) -> str:
        ended = subprocess.run(
            [sys.executable, "-c", program, *map(str, args)],
            env=nowhere, capture_output=True, text=True, check=False, timeout=PATIENCE,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        assert ended.stderr.splitlines()[-1] == "False"
        return ended.stdout

    assert json.loads(verger("run", photos, store, "--json"))["counts"]["embedded"] == 30
    assert (store / "report" / "report.html").exists()
    (new,) = (shutil.copyfile(file, photos / "new.jpg") for file in [next(photos.rglob("*.jpg"))])
    record = json.loads(verger("run", photos, store, "--json"))
    assert record["changes"]["new"] == 1, new
    assert (record["engine"], set(record["versions"])) == ("process", {"verger", "python"})
    verger("reduce", store, "-k", 3)


def test_a_task_of_this_process_that_fails_is_told_in_a_line(
    photos_of: Callable[..., Path], tmp_path: Path
) -> None:
    """As on Spark: by its own kind, and with what was there before left as it was."""
    photos, store = photos_of("a/1.jpg", "b/2.jpg"), tmp_path / "store"
    run(photos, store, RunSettings(engine="process", report=False))
    before = (store / "run.json").read_bytes()
    for file in (store / "features").glob("*.parquet"):
        content = file.read_bytes()
        file.write_bytes(content[:100] + b"\0" * 100 + content[200:])
    again = [sys.executable, "-m", "verger", "reduce", str(store), "--engine", "process", "-k", "1"]
    ended = subprocess.run(again, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert ended.returncode == 4, ended.stderr
    assert "Traceback" not in ended.stderr
    assert (store / "run.json").read_bytes() == before
