"""How much memory there is, and what Java is given of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from verger.spark.memory import java_memory, memory_available, memory_limit

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
    ("available", "cores", "given"),
    [
        (None, 8, "1024m"),
        (16_000, 4, "1024m"),
        (1_724, 1, "1024m"),
        (1_723, 1, "960m"),
        (1_300, 1, "576m"),
        (1_600, 2, "640m"),
        (950, 1, "512m"),
        (100, 64, "512m"),  # what Spark needs to start
    ],
)
def test_java_is_given_what_fits_beside_all_else(
    available: int | None, cores: int, given: str
) -> None:
    assert java_memory(None if available is None else available * MIB, cores) == given


def test_more_memory_never_gives_less() -> None:
    given = [int(java_memory(mib * MIB, 2)[:-1]) for mib in range(0, 4000, 7)]
    assert given == sorted(given)
    assert {given[0], given[-1]} == {512, 1024}
