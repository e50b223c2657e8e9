"""How many cores a process may use: what it is bound to, and what its control groups give it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from verger.machine.cores import cores

BOUND = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
COUNT = [sys.executable, "-c", "from verger.machine.cores import cores; print(cores())"]


def count(root: Path, mine: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Count on a machine of 8 cores with these control groups."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    (root / "mine").write_text(mine)
    return cores(root, root / "mine")


def limit(folder: Path, words: str, version: int = 2) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if version == 2:
        (folder / "cpu.max").write_text(f"{words}\n")
    else:
        quota, period = words.split()
        (folder / "cpu.cfs_quota_us").write_text(f"{quota}\n")
        (folder / "cpu.cfs_period_us").write_text(f"{period}\n")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("max 100000", 8),
        ("200000 100000", 2),
        ("150000 100000", 2),  # a core and a half: a second is worth its while
        ("20000 100000", 1),
        ("9900000 100000", 8),  # more than there are
        ("nonsense", 8),
    ],
)
@pytest.mark.parametrize("mount", ["", "unified"])
def test_version_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, expected: int, mount: str
) -> None:
    limit(tmp_path / mount / "pod" / "container", words)
    assert count(tmp_path, "0::/pod/container\n", monkeypatch) == expected


@pytest.mark.parametrize(("quota", "expected"), [("-1", 8), ("300000", 3), ("50000", 1)])
@pytest.mark.parametrize("mount", ["cpu", "cpu,cpuacct"])
def test_version_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, expected: int, mount: str
) -> None:
    limit(tmp_path / mount / "docker" / "one", f"{quota} 100000", version=1)
    mine = "5:memory:/elsewhere\n4:cpu,cpuacct:/docker/one\n0::/\n"
    assert count(tmp_path, mine, monkeypatch) == expected


def test_the_least_of_all_groups_above_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(tmp_path / "a", "300000 100000")
    limit(tmp_path / "a" / "b", "max 100000")
    limit(tmp_path / "a" / "b" / "c", "500000 100000")
    assert count(tmp_path, "0::/a/b/c\n", monkeypatch) == 3


def test_a_container_that_is_told_the_path_of_its_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(tmp_path, "200000 100000")
    assert count(tmp_path, "0::/kubepods/pod1/abc\n", monkeypatch) == 2


def test_without_control_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert count(tmp_path, "", monkeypatch) == 8
    assert cores(tmp_path / "none", tmp_path / "no file") == 8


@pytest.mark.skipif(sys.platform != "linux", reason="taskset is Linux's")
def test_bound_to_one_core() -> None:
    one = min(os.sched_getaffinity(0))
    ran = subprocess.run(
        COUNT, capture_output=True, text=True, check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {one}),
    )  # fmt: skip
    assert int(ran.stdout) == 1


@pytest.fixture
def group() -> Iterator[Path]:
    """A real control group that gives one core's time, or a skip."""
    name = f"verger-test-{uuid.uuid4().hex}"
    root = Path("/sys/fs/cgroup")
    version_1 = (root / "cpu" / "cpu.cfs_quota_us").exists()
    folder = (root / "cpu" if version_1 else root) / name
    try:
        folder.mkdir()
        if version_1:
            (folder / "cpu.cfs_quota_us").write_text("100000")
        else:
            (folder / "cpu.max").write_text("100000 100000")
    except OSError as error:
        if folder.exists():
            folder.rmdir()
        pytest.skip(f"no control group of CPU can be made here: {error}")
    yield folder
    folder.rmdir()


@pytest.mark.skipif(BOUND < 2, reason="needs two cores")
def test_in_a_real_control_group(group: Path) -> None:
    inside = [shutil.which("sh") or "/bin/sh", "-c", f'echo $$ > {group}/cgroup.procs; exec "$@"']
    ran = subprocess.run([*inside, "sh", *COUNT], capture_output=True, text=True, check=True)
    assert int(ran.stdout) == 1
