"""A user's own Spark is joined and left as it was, by any thread, and two runs share one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from program import execute, quick_java

pytestmark = pytest.mark.spark

COMMON = """\
import sys, threading
from verger.pipeline import run
from verger.settings import RunSettings
from verger.spark.session import session
photos, store = sys.argv[1:]
settings = RunSettings(report=False, cores=1)
def go(name):
    record = run(photos, store + name, settings).record
    assert record["engine"] == "spark"  # though so few photos need none
    return record["counts"]["embedded"]
def look():
    with session(settings) as spark:
        return spark.range(4).count()
def in_thread(work, *words):
    told = []
    thread = threading.Thread(target=lambda: told.append(work(*words)))
    thread.start()
    thread.join()
    return told[0]
"""

# A session, in this and another thread; then its context alone; then Java after it was stopped.
USERS = (
    COMMON
    + """\
from pyspark.sql import SparkSession
spark = (SparkSession.builder.master("local[2]").appName("mine").config("spark.ui.enabled", "false")
         .config("spark.sql.shuffle.partitions", "7").getOrCreate())
table = spark.range(10).cache()
assert table.count() == 10
assert in_thread(go, "thread") == 8
assert table.count() == 10
assert look() == 4
assert table.count() == 10
assert spark.conf.get("spark.sql.shuffle.partitions") == "7"
context, java = spark.sparkContext, spark.sparkContext._gateway.proc
SparkSession._instantiatedSession = None
context._jvm.SparkSession.clearActiveSession()
context._jvm.SparkSession.clearDefaultSession()
assert in_thread(look) == 4
assert context.parallelize(range(5)).count() == 5
context.stop()
assert look() == 4
assert java.poll() is None
assert SparkSession.builder.master("local[1]").getOrCreate().range(3).count() == 3
print("well")
"""
)

# The thread that started Spark is done first, and its Spark ends after the other's run.
TWO = (
    COMMON
    + """\
from concurrent.futures import ThreadPoolExecutor
from pyspark import SparkContext
with ThreadPoolExecutor(2) as pool:
    with session(settings, short=True) as spark:
        late = threading.Event()
        def other():
            with session(settings) as joined:
                late.set()
                __import__("time").sleep(2)
                return joined.range(4).count()
        begun = pool.submit(other)
        late.wait()
    assert begun.done()
    assert begun.result() == 4
assert SparkContext._gateway is None
print("well")
"""
)


@pytest.fixture
def photos(few: list[Path], tmp_path: Path) -> Path:
    for number, file in enumerate(few[:8]):
        (tmp_path / "photos" / f"{number % 2}").mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / f"{number % 2}" / f"{number}.jpg").hardlink_to(file)
    return tmp_path / "photos"


def environment(tmp_path: Path) -> dict[str, str]:
    """A Java, and a `python3` on the PATH that has no Verger, as in a shell without the venv."""
    other = tmp_path / "bin" / "python3"
    other.parent.mkdir()
    other.write_text("#!/bin/sh\necho \"No module named 'verger'\" >&2\nexit 1\n")
    other.chmod(0o755)
    env = {key: value for key, value in os.environ.items() if key != "PYSPARK_PYTHON"}
    env["PATH"] = f"{other.parent}:{env['PATH']}"
    return env | quick_java()


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(USERS, id="the user's", marks=pytest.mark.any_spark),
        pytest.param(TWO, id="of two threads"),
    ],
)
def test_spark_is_joined_and_left(program: str, photos: Path, tmp_path: Path) -> None:
    line = [sys.executable, "-c", program, str(photos), str(tmp_path / "store-")]
    ended = execute(line, environment(tmp_path), tmp_path)
    assert (ended.code, ended.out.split()[-1:]) == (0, ["well"]), ended.err[-3000:]


@pytest.mark.any_spark
def test_workers_of_another_python_are_told_with_the_remedy(photos: Path, tmp_path: Path) -> None:
    """Where the user chose that Python; else workers run this one, as above."""
    other = tmp_path / "other"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(other)], check=True)
    program = (
        COMMON
        + """
from pyspark.sql import SparkSession
SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
from verger.errors import EngineError
try:
    go("other")
except EngineError as error:
    print(error)
"""
    )
    env = environment(tmp_path) | {"PYSPARK_PYTHON": str(other / "bin" / "python")}
    ended = execute(
        [sys.executable, "-c", program, str(photos), str(tmp_path / "s")], env, tmp_path
    )
    assert f"Set PYSPARK_PYTHON={sys.executable} before Spark starts." in ended.out, ended.err[
        -2000:
    ]


# argv: a program. Java compiles for a short session; nothing else of the program changes.
SHORT = """\
import functools, runpy, sys
import verger.spark.session as own
own.session = functools.partial(own.session, short=True)
runpy.run_path(sys.argv[1])
"""


def test_the_snippet_of_the_readme_runs_as_it_is_printed(photos: Path, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    snippets = [part.split("```")[0] for part in page.split("```python\n")[1:]]
    snippet = next(snippet for snippet in snippets if "verger.ml" in snippet)
    photos.rename(tmp_path / "PHOTOS")
    program = tmp_path / "snippet.py"
    program.write_text(snippet, encoding="utf-8")
    line = [sys.executable, "-c", SHORT, str(program)]
    ended = execute(line, environment(tmp_path), tmp_path)
    assert ended.code == 0, ended.err[-3000:]
    assert "discriminant" in ended.out
