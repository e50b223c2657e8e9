"""Ctrl-C, SIGTERM and kill -9 in the midst of a run: nothing stays, and the next run works."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

from program import ON_SPARK, command, finish, start, verger

MANY = 300
ENDLESS = 9000
SOON = 12  # seconds; about one on a quiet machine, and what is under way takes a minute


@pytest.fixture(scope="module")
def many(few: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos for two seconds of work, on two fast cores."""
    return copies(few, tmp_path_factory.mktemp("many"), MANY)


@pytest.fixture(scope="module")
def endless(few: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos for a minute of work."""
    return copies(few, tmp_path_factory.mktemp("endless"), ENDLESS)


def copies(few: list[Path], folder: Path, count: int) -> Path:
    for number in range(count):
        (folder / f"{number}.jpg").hardlink_to(few[number % len(few)])
    return folder


def wait_for(what: Callable[[], bool], process: subprocess.Popen[str], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.05)


def family(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return list(psutil.Process(process.pid).children(recursive=True))


def names(processes: list[psutil.Process]) -> set[str]:
    found = set()
    for process in processes:
        try:
            found.add(process.name())
        except psutil.NoSuchProcess:
            continue
    return found


def embedding(photos: Path, store: Path) -> tuple[subprocess.Popen[str], list[psutil.Process]]:
    """Start a run on Spark, and wait until its workers embed; return it and its processes."""
    process = start(command("run", photos, store, *ON_SPARK))
    work = store / ".verger" / "work"

    def workers() -> bool:
        if not any(work.glob("parts-*/features")):
            return False
        children = family(process)
        python = [child for child in children if "python" in " ".join(names([child])).lower()]
        return len(python) >= 2

    wait_for(workers, process, 120)
    running = family(process)
    assert any("java" in name for name in names(running))
    return process, running


def nothing_left(running: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(running, timeout=20)
    assert not [child for child in alive if child.status() != psutil.STATUS_ZOMBIE], alive


def only_parts(store: Path) -> None:
    """Nothing stays of a stopped run but parts that its tasks had finished."""
    assert {entry.name for entry in (store / ".verger").iterdir()} <= {
        "lock", "moments", "store.json", "work",
    }  # fmt: skip
    for file in (store / ".verger" / "work").rglob("*"):
        if file.is_file():
            assert file.parent.name in ("features", "rejects")
            assert pq.read_metadata(file).num_columns


@pytest.mark.spark
@pytest.mark.parametrize(
    ("number", "to_group", "code"),
    [
        pytest.param(signal.SIGINT, True, 130, marks=pytest.mark.any_spark),
        (signal.SIGTERM, False, 143),
    ],
)
def test_stopped_while_embedding(
    endless: Path, tmp_path: Path, number: signal.Signals, to_group: bool, code: int
) -> None:
    """Ctrl-C goes to all processes of a terminal's job, SIGTERM to the program alone, and again."""
    store = tmp_path / "store"
    process, running = embedding(endless, store)
    time.sleep(1)
    (os.killpg if to_group else os.kill)(process.pid, number)
    told = time.monotonic()
    while number == signal.SIGTERM and process.poll() is None:
        time.sleep(0.2)
        process.terminate()
    ended = finish(process)
    assert ended.code == code, ended.err
    assert time.monotonic() - told < SOON, "it waited for what was under way"
    assert ended.out == ""
    assert "stopped" in ended.error
    nothing_left(running)
    assert [entry.name for entry in store.iterdir()] == [".verger"]
    only_parts(store)


@pytest.mark.spark
def test_stopped_while_spark_starts(many: Path, tmp_path: Path) -> None:
    process = start(command("run", many, tmp_path / "store", *ON_SPARK))
    wait_for(lambda: any("java" in name for name in names(family(process))), process, 120)
    running = family(process)
    os.killpg(process.pid, signal.SIGINT)
    ended = finish(process)
    assert ended.code == 130, ended.err
    assert "stopped" in ended.error
    nothing_left(running)
    assert not (tmp_path / "store" / "run.json").exists()


@pytest.mark.slow
def test_killed_and_run_again(many: Path, orchard: Path, tmp_path: Path) -> None:
    """kill -9 leaves no time to clean up; meanwhile a second run on the STORE is refused."""
    store = tmp_path / "store"
    process = start(command("run", many, store))
    work = store / ".verger" / "work"
    wait_for(lambda: any(work.glob("parts-*/features")), process, 120)
    process.send_signal(signal.SIGSTOP)  # else it might have ended before the second looks
    second = verger("run", orchard, store)
    assert second.code == 4
    assert "Another run is writing" in second.error
    process.kill()
    finish(process)
    assert not (store / "run.json").exists()
    assert not (store / "matrix").exists()
    ended = verger("run", orchard, store, "--json")
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["counts"]["embedded"] == 30
    left = {entry.name for entry in (store / ".verger").iterdir()}
    assert left == {"history", "lock", "moments", "store.json"}


@pytest.mark.spark
@pytest.mark.any_spark
def test_killed_and_continued(many: Path, tmp_path: Path) -> None:
    """What Spark's tasks had finished is not embedded again, by whoever goes on."""
    store = tmp_path / "store"
    process, running = embedding(many, store)
    parts = store / ".verger" / "work"
    wait_for(lambda: any(parts.glob("parts-*/features/part-*.parquet")), process, 120)
    process.kill()
    finish(process)
    nothing_left(running)
    finished = [pq.read_metadata(file).num_rows for file in parts.glob("*/features/*.parquet")]
    assert 0 < sum(finished) < MANY
    ended = verger("run", many, store, "--json")
    assert ended.code == 0, ended.err
    record = json.loads(ended.out)
    assert record["changes"]["kept"] == sum(finished)
    assert record["changes"]["new"] == MANY - sum(finished)
    assert record["counts"]["embedded"] == MANY
    paths = pq.read_table(store / "features", columns=["path"])["path"].to_pylist()
    assert sorted(paths) == sorted(file.name for file in many.iterdir())
    assert pq.read_table(store / "matrix", columns=["path"])["path"].to_pylist() == sorted(paths)
