"""How much memory there is, and what Java is given of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from verger.spark.memory import Share, memory_available, memory_limit, share_of

MIB = 2**20


def test_the_memory_of_a_container_counts(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 8000000 kB\nMemAvailable:    5000000 kB\n")
    assert memory_limit(tmp_path) is None
    assert memory_available(meminfo, tmp_path) == 5_000_000 * 1024
    (tmp_path / "memory.max").write_text("max\n")
    assert memory_limit(tmp_path) is None
    (tmp_path / "memory.max").write_text("1000000000\n")
    (tmp_path / "memory.current").write_text("400000000\n")
    assert memory_limit(tmp_path) == 10**9
    assert memory_available(meminfo, tmp_path) == 6 * 10**8
    assert memory_available(tmp_path / "none", tmp_path) is None


@pytest.mark.parametrize(
    ("usage", "line"),
    [
        ("memory.current", "inactive_file"),
        ("memory/memory.usage_in_bytes", "total_inactive_file"),
    ],
)
def test_files_that_the_system_may_drop_are_available(
    tmp_path: Path, usage: str, line: str
) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemAvailable:    5000000 kB\n")
    limit = tmp_path / ("memory.max" if "current" in usage else "memory/memory.limit_in_bytes")
    limit.parent.mkdir(exist_ok=True)
    limit.write_text("1000\n")
    (tmp_path / usage).write_text("900\n")
    assert memory_available(meminfo, tmp_path) == 100
    (tmp_path / usage).with_name("memory.stat").write_text(f"anon 300\n{line} 600\n")
    assert memory_available(meminfo, tmp_path) == 700
    (tmp_path / usage).with_name("memory.stat").write_text("nonsense\n")
    assert memory_available(meminfo, tmp_path) == 100


@pytest.mark.parametrize(
    ("available", "cores", "share"),
    [
        (None, 8, Share(1024, 8)),
        (16_000, 4, Share(1024, 4)),
        (1_724, 1, Share(1024, 1)),
        (1_723, 1, Share(960, 1)),
        (1_300, 1, Share(576, 1)),
        (1_600, 2, Share(640, 2)),
        (1_300, 2, Share(576, 1)),  # a core less, rather than a heap that Spark refuses
        (1_730, 8, Share(512, 3)),
        (1_212, 64, Share(512, 1)),
        (1_211, 1, Share(224, 1)),  # the machine of 1 GB
        (100, 64, Share(224, 1)),
    ],
)
def test_a_run_takes_what_fits(available: int | None, cores: int, share: Share) -> None:
    assert share_of(None if available is None else available * MIB, cores) == share
    assert share.is_tight == (share.heap == 224)


def test_cores_that_are_named_are_kept() -> None:
    assert share_of(1_600 * MIB, 4, fewer=False) == Share(224, 4)
    assert share_of(1_600 * MIB, 2, fewer=False) == Share(640, 2)


def test_more_memory_never_gives_less() -> None:
    shares = [share_of(mib * MIB, 2) for mib in range(0, 4000, 7)]
    assert [share.cores for share in shares] == sorted(share.cores for share in shares)
    for cores in (1, 2):
        heaps = [share.heap for share in shares if share.cores == cores]
        assert heaps == sorted(heaps)
    assert shares[-1] == Share(1024, 2)
