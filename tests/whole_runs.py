"""One Spark session, and one run over an awkward folder, for all tests that can share them.

Every session of tests imports this: Spark, pandas and the network wait until a test needs them.
"""

from __future__ import annotations

import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from awkward import Awkward, make_awkward
from program import ON_SPARK, Ended, words
from verger.settings import RunSettings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Here = Callable[..., Ended]

# A report takes seconds, and Spark more: for runs of which neither is looked at.
NO_REPORT = RunSettings(report=False, engine="process")


# A few processes share the files out (see the Makefile): what takes longest begins first.
LONGEST = (
    "cluster_real",
    "ml_programs",
    "ml",
    "strange_places",
    "cluster",
    "kernel",
    "joining",
    "commands",
    "kills",
    "server_real",
    "limits",
    "decode_work",
    "page",
    "in_chromium",
    "on_a_phone",
    "one_answer",
    "slow_clients",
    "packages",
    "damage",
    "stopping",
    "bucket_runs",
    "closed_streams",
    "matrix",
    "buckets",
    "backbone_of_a_run",
    "conversion",
    "export",
    "identify",
    "render",
    "store",
    "slides",
    "report",
    "html",
    "inventory",
    "refresh",
    "hostile",
    "attack",
    "job_faults",
    "engines",
    "torture",
    "java",
    "devices",
    "bad_input",
)


def pytest_configure(config: pytest.Config) -> None:
    """Name the mark of what a version of Spark decides; `make test-spark35` runs no other test."""
    config.addinivalue_line("markers", "any_spark: what a version of Spark decides")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the files that take longest first; leave out what this Spark does not have."""
    if metadata.version("pyspark") < "4":  # Spark Connect's server comes with pyspark since 4
        through = [item for item in items if "connect" in getattr(item, "fixturenames", ())]
        config.hook.pytest_deselected(items=through)
        items[:] = [item for item in items if item not in through]
    rank = {f"test_{name}.py": number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(rank)))


@dataclass(frozen=True)
class Whole:
    """A run that is done: what went in, what came out."""

    photos: Awkward
    store: Path
    record: dict[str, Any]


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """Start Spark as the program does; each run in this process joins it."""
    from verger.spark.session import session

    with session(RunSettings(cores=2), short=True) as started:
        yield started


@pytest.fixture(scope="session")
def orchard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Render 30 photos of 5 varieties."""
    from verger.demo.render import render_orchard

    folder = tmp_path_factory.mktemp("orchard") / "photos"
    assert render_orchard(folder, varieties=5, views=4, test_views=2) == 30
    return folder


@pytest.fixture(scope="session")
def few(orchard: Path) -> list[Path]:
    """Photos of the orchard, one each of its varieties and then another."""
    return sorted(orchard.rglob("*.jpg"), key=lambda file: (file.name, file.parent.name))


@pytest.fixture(scope="session")
def whole(few: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """Run over the awkward folder, into a STORE whose own path is awkward."""
    from verger.pipeline import run

    folder = tmp_path_factory.mktemp("whole")
    photos = make_awkward(folder / "photos é %20 [x]", few)
    store = folder / "store {1} #2*"
    record = run(photos.root, store, RunSettings(engine="process")).record
    return Whole(photos, store, record)


@pytest.fixture
def here(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Here:
    """Run the program in this process."""
    from verger.cli.main import main
    from verger.texts.command import speak

    def execute(*args: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["verger", *words(*args)])
        before = signal.getsignal(signal.SIGTERM)
        capfd.readouterr()
        try:
            with pytest.raises(SystemExit) as ended:
                main()
        finally:
            signal.signal(signal.SIGTERM, before)
            speak("en")  # which a process does for itself
        out, err = capfd.readouterr()
        return Ended(int(str(ended.value.code)), out, err)

    return execute


@pytest.fixture
def on_spark(spark: SparkSession, here: Here) -> Here:
    """Run `verger run` or `verger reduce` in this process, where it joins the session of Spark."""
    return lambda *args: here(*args, *ON_SPARK)


@pytest.fixture(
    params=[
        pytest.param("here", id="process"),
        pytest.param("on_spark", id="spark", marks=pytest.mark.spark),
    ]
)
def on_each(request: pytest.FixtureRequest) -> Here:
    """Run the program on each engine: two tests, for what the engine has a part in."""
    run_here: Here = request.getfixturevalue(request.param)
    return run_here


@pytest.fixture
def photos_of(tmp_path: Path, few: list[Path]) -> Callable[..., Path]:
    """Make a folder of copies of photos of the orchard, by their new names."""

    def make(*names: str, same: bool = False) -> Path:
        root = tmp_path / "some photos"
        for number, name in enumerate(names):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(few[0 if same else number % len(few)], root / name)
        return root

    return make


@pytest.fixture
def copy_of(tmp_path: Path) -> Callable[[Path], Path]:
    """Copy a STORE, so that a test may change it."""

    def copy(store: Path) -> Path:
        return Path(shutil.copytree(store, tmp_path / "copy"))

    return copy
