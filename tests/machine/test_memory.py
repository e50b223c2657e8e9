"""How much memory there is, for a process that lies in a container too."""

from __future__ import annotations

from pathlib import Path

import pytest

from verger.machine.memory import memory_available, memory_limit


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
