"""kill -9 at random moments: the driver, Java, a worker. Nothing is lost, and nothing is mixed.

The driver is killed by itself, with a real SIGKILL, just before its n-th step in the STORE (a file
opened, renamed, deleted, locked): a moment that is random, and the same again for the same seed.
Java and workers are killed from outside, a random while after they were seen. Runs that need no
Spark cost a second: most kills are there, and a few go through Java, in each stage that has a part
of Spark's. Each kill is followed by the next run.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pyarrow.parquet as pq
import pytest

from program import Ended, finish, start
from verger.pipeline import run
from verger.store.checkout import checkout
from verger.store.store import Store
from verger.verify import verify
from whole_runs import NO_REPORT

from .test_stopping import family, names, nothing_left

SEED = int(os.environ.get("VERGER_KILL_SEED", "4"))
PHOTOS = 240
PUBLISHING = "publish.json"
BEGAN = time.monotonic()

# argv: the STORE, the name with which counting begins ("" for at once), the number of steps.
DRIVER = """
import os, signal, sys
store, begin, left = os.path.abspath(sys.argv[1]), sys.argv[2], int(sys.argv[3])
del sys.argv[1:4]
steps = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.scandir", "fcntl.flock"}

def watch(event, args):
    global left, begin
    if event not in steps:
        return
    named = [os.fsdecode(a) for a in args if isinstance(a, (str, bytes, os.PathLike))]
    below = event in ("os.remove", "os.rmdir") and args[-1] != -1  # by the descriptor of a folder
    if not (below or event == "fcntl.flock" or any(n.startswith(store) for n in named)):
        return
    if begin:
        if event == "os.rename" and named[-1].endswith(begin):
            begin = ""
        return
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(watch)
from verger.cli.main import main
main()
"""


@dataclass(frozen=True)
class State:
    """A STORE as readers without Verger see it."""

    record: dict[str, Any]
    features: pd.DataFrame
    matrix: pd.DataFrame
    projection: np.ndarray[Any, Any]

    @classmethod
    def of(cls, store: Path) -> State | None:
        """Read a STORE. Whatever has a record is whole, and of one run."""
        if not (store / "run.json").exists():
            return None
        record = json.loads((store / "run.json").read_text())
        features = pq.read_table(store / "features").to_pandas()
        matrix = pd.read_parquet(store / "matrix")
        csv = pd.read_csv(store / "matrix.csv")
        counts = record["counts"]
        assert counts["listed"] == counts["embedded"] + counts["rejected"]
        assert len(features) == len(matrix) == len(csv) == counts["embedded"]
        assert features["path"].is_unique  # no photo twice
        assert matrix["path"].tolist() == sorted(features["path"]) == csv["path"].tolist()
        axes = np.load(store / "projection" / "pca.components.npy")
        values = np.stack(features.sort_values("path")["features"].tolist())
        mean = np.load(store / "projection" / "pca.mean.npy")
        rows = np.stack(matrix["components"].tolist())
        # Projection, matrix and features belong together: one is made of the others.
        np.testing.assert_allclose((values - mean) @ axes.T, rows, atol=1e-4)
        return cls(record, features.sort_values("path"), matrix, axes)

    @property
    def paths(self) -> list[str]:
        return list(self.features["path"])


def assert_same(one: State, other: State) -> None:
    """The same photos, features, matrix and counts, whatever way led there."""
    assert one.paths == other.paths
    assert one.features["label"].tolist() == other.features["label"].tolist()
    mine, theirs = (np.stack(s.features["features"].tolist()) for s in (one, other))
    np.testing.assert_allclose(mine, theirs, atol=1e-5)
    mine, theirs = (np.stack(s.matrix["components"].tolist()) for s in (one, other))
    assert mine.shape == theirs.shape
    np.testing.assert_allclose(mine, theirs, atol=1e-4)
    assert one.record["counts"] == other.record["counts"]


@dataclass
class Killer:
    """Runs that are killed, and what the STORE shows after each."""

    photos: Path
    store: Path
    random: random.Random
    engine: str = "process"
    options: tuple[str, ...] = ()
    kills: dict[str, int] = field(default_factory=dict)
    before: State | None = None  # the last complete state

    def start(self, begin: str = "", steps: int = 10**9) -> subprocess.Popen[str]:
        words = [sys.executable, "-c", DRIVER, str(self.store), begin, str(steps)]
        given = "run", str(self.photos), str(self.store), "--json", "--no-report"
        return start([*words, *given, "--engine", self.engine, *self.options])

    def embeds(self, _: set[psutil.Process]) -> bool:
        return any(self.store.glob(".verger/work/parts-*/features/*"))

    def has_part(self, _: set[psutil.Process]) -> bool:
        return any(self.store.glob(".verger/work/parts-*/features/part-*.parquet"))

    def driver(self, why: str, most: int, begin: str = "") -> bool:
        """Have the driver killed before a random step; say whether it came so far."""
        steps = self.random.randrange(most)
        process = self.start(begin, steps)
        ended = finish(process)
        return self._ended(f"driver, {why}", ended, f"step {steps}", process)

    def after(
        self,
        why: str,
        sight: Callable[[set[psutil.Process]], bool],
        victim: Callable[[psutil.Process], bool] | None,
    ) -> bool:
        """Kill the driver, or a child of it, a random while after something was seen."""
        wait = self.random.uniform(0, 1.5)
        process = self.start()
        seen: set[psutil.Process] = set()

        def ready() -> bool:
            seen.update(family(process) if process.poll() is None else [])
            return sight(seen) and (victim is None or any(_is(victim, one) for one in seen))

        while process.poll() is None and not ready():
            time.sleep(0.05)
        time.sleep(wait)
        ready()
        victims = [child for child in seen if victim is not None and _is(victim, child)]
        struck = process.poll() is None
        if victim is None:
            process.kill()
        elif victims:
            _kill(self.random.choice(sorted(victims, key=lambda child: child.pid)))
        ended = finish(process)
        return self._ended(why, ended, f"after {wait:.2f} s", process, struck=struck)

    def _ended(
        self, why: str, ended: Ended, moment: str, process: subprocess.Popen[str],
        struck: bool = True,
    ) -> bool:  # fmt: skip
        print(f"{time.monotonic() - BEGAN:6.1f} s  {why}, {moment}: exit {ended.code}", flush=True)  # noqa: T201 - the seed's moments
        nothing_left(of_session(process))
        killed = struck and (ended.code == -signal.SIGKILL or not why.startswith("driver"))
        if killed:
            self.kills[why] = self.kills.get(why, 0) + 1
        if ended.code not in (0, -signal.SIGKILL):
            assert ended.code == 6, ended.err  # an engine that fails, said in one line
            assert ("Java ended" in ended.error) == (why == "Java")
        self._check(done=ended.code == 0)
        return killed

    def _check(self, *, done: bool) -> None:
        state = State.of(self.store)
        if state is None:
            # A publication that was decided, and not completed, is so by whoever comes next.
            decided = (self.store / ".verger" / PUBLISHING).exists()
            assert decided or self.before is None
            assert not done
            return
        if self.before is not None and state.record == self.before.record:
            assert state.paths == self.before.paths
            assert state.matrix.equals(self.before.matrix)
        elif not done:  # the new state, or what another run over the same photos made of it
            assert len(state.paths) == len(list(self.photos.rglob("*.jpg")))
        self.before = state

    def completed(self) -> State:
        """Run to the end, and read the STORE."""
        ended = finish(self.start())
        assert ended.code == 0, ended.err
        self._check(done=True)
        assert self.before is not None
        left = {entry.name for entry in (self.store / ".verger").iterdir()}
        assert verify(self.store).findings == []
        assert {"lock", "store.json"} <= left <= {"history", "lock", "moments", "store.json"}
        return self.before


def of_session(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """What is left of a process and all that came of it, whoever is their parent now."""
    found = []
    for one in psutil.process_iter():
        with suppress(OSError, psutil.Error):
            if os.getsid(one.pid) == process.pid:
                found.append(one)
    return found


def _is(what: Callable[[psutil.Process], bool], process: psutil.Process) -> bool:
    try:
        return process.is_running() and what(process)
    except psutil.Error:
        return False


def _kill(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.kill()


def is_java(process: psutil.Process) -> bool:
    return any("java" in name for name in names([process]))


def is_worker(process: psutil.Process) -> bool:
    """A worker is forked from a Python of Java's; the driver is not among its own children."""
    try:
        parent = process.parent()
        return (
            parent is not None
            and "python" in process.name()
            and "verger.spark.daemon" in " ".join(parent.cmdline())
        )
    except psutil.Error:
        return False


@pytest.fixture
def photos(few: list[Path], tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    for number in range(PHOTOS):
        file = few[number % len(few)]
        (root / file.parent.name).mkdir(parents=True, exist_ok=True)
        (root / file.parent.name / f"{number:04d}.jpg").hardlink_to(file)
    return root


def grow(photos: Path, few: list[Path]) -> None:
    """A day later: 30 photos are new, 10 are others, 15 are gone, and a folder has a new name."""
    files = sorted(photos.rglob("*.jpg"))
    for number, file in enumerate(files[5:95:9]):
        file.unlink()
        shutil.copyfile(few[(number * 7 + 3) % len(few)], file)
    for file in files[100:115]:
        file.unlink()
    for number in range(30):
        file = few[number % len(few)]
        (photos / file.parent.name / f"new {number}.jpg").hardlink_to(file)
    folder = sorted(photos.iterdir())[0]
    folder.rename(folder.with_name("Moved"))


@pytest.fixture
def killer(photos: Path, tmp_path: Path) -> Killer:
    print(f"VERGER_KILL_SEED={SEED}")  # noqa: T201
    return Killer(photos, tmp_path / "store", random.Random(SEED))  # noqa: S311 - moments


@pytest.mark.slow
def test_killed_at_random_moments(
    killer: Killer, few: list[Path], photos: Path, tmp_path: Path
) -> None:
    """On two days, by the threads of one process."""
    reference, store = tmp_path / "reference", killer.store

    run(photos, reference, NO_REPORT)
    for _ in range(5):
        killer.driver("listing", 30)
    killer.after("driver, embedding", killer.has_part, None)
    killer.driver("fitting", 20, "pca.json")
    killer.driver("publishing", 25, PUBLISHING)
    for _ in range(4):
        killer.driver("completing", 30)
    first = State.of(reference)
    assert first is not None
    killed = killer.completed()
    assert_same(killed, first)

    # A day later.
    grow(photos, few)
    run(photos, reference, NO_REPORT)
    for _ in range(5):
        killer.driver("listing again", 40)
    killer.after("driver, embedding again", killer.has_part, None)
    killer.driver("publishing again", 30, PUBLISHING)
    for _ in range(4):
        killer.driver("completing again", 30)
    grown = State.of(reference)
    assert grown is not None
    assert_same(killer.completed(), grown)
    assert grown.record["counts"]["listed"] == PHOTOS + 15

    # And the matrix of the day before is there.
    checkout(Store(store), tmp_path / "before", killed.record["run"])
    assert pd.read_parquet(tmp_path / "before" / "matrix").equals(killed.matrix)

    print(killer.kills)  # noqa: T201
    assert sum(killer.kills.values()) >= 18, killer.kills


@pytest.mark.spark
def test_spark_is_killed_at_random_moments(killer: Killer, photos: Path, tmp_path: Path) -> None:
    """Before its start it is as above; what it leaves is what the threads of a process leave."""
    killer.engine = "spark"
    killer.after("driver, Spark starting", lambda seen: any(map(is_java, seen)), None)
    killer.after("Java", killer.embeds, is_java)
    killer.after("a worker", killer.embeds, is_worker)
    killer.driver("fitting", 20, "pca.json")
    killer.driver("publishing", 25, PUBLISHING)
    killer.driver("completing", 30)
    run(photos, tmp_path / "reference", NO_REPORT)
    reference = State.of(tmp_path / "reference")
    assert reference is not None
    assert_same(killer.completed(), reference)

    print(killer.kills)  # noqa: T201
    assert sum(killer.kills.values()) >= 5, killer.kills
    assert {why.split(",")[0] for why in killer.kills} == {"driver", "Java", "a worker"}


@pytest.mark.slow
def test_killed_while_a_projection_is_held(
    killer: Killer, few: list[Path], photos: Path, tmp_path: Path
) -> None:
    """Its matrix is carried on: a reader has that of before, or the new one."""
    killer.options = "--refit", "when-it-matters"
    before = killer.completed()
    for number, file in enumerate(few):  # each of the different photos once: nothing shifts
        (photos / file.parent.name / f"new {number}.jpg").hardlink_to(file)
    for _ in range(5):
        killer.driver("carrying on", 40, "moments")
    killer.driver("publishing", 25, PUBLISHING)
    for _ in range(3):
        killer.driver("completing", 30)
    held = killer.completed()
    assert held.record["projection"]["held"] is True
    assert len(held.paths) == PHOTOS + len(few)
    np.testing.assert_array_equal(held.projection, before.projection)
    checkout(Store(killer.store), tmp_path / "before", before.record["run"])
    assert pd.read_parquet(tmp_path / "before" / "matrix").equals(before.matrix)
    print(killer.kills)  # noqa: T201
    assert killer.kills["driver, carrying on"] > 2
