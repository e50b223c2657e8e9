"""How much memory this process may use, which may be less than the machine has."""

from __future__ import annotations

import os
from pathlib import Path


def memory_given() -> int:
    """Return the bytes that this process may use: the machine's, or a container's or Spark's limit.

    Spark limits a worker's address space where `spark.executor.pyspark.memory` is set.
    """
    import resource  # which bare Windows lacks, where the command line says so

    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    space, _ = resource.getrlimit(resource.RLIMIT_AS)
    limited = None if space == resource.RLIM_INFINITY else space
    return min(limit for limit in (machine, limited, memory_limit()) if limit is not None)


def memory_limit(root: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Return the bytes that this process's control group may use; None where nothing limits it."""
    for file in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            limit = int((root / file).read_text())
        except (OSError, ValueError):  # "max" is no number
            continue
        return limit if limit < 1 << 60 else None
    return None


def memory_available(
    meminfo: Path = Path("/proc/meminfo"), root: Path = Path("/sys/fs/cgroup")
) -> int | None:
    """Return the bytes that can still be used, of the machine's and the group's, or None.

    What a control group holds of files that nobody used of late is given back on demand, and counts
    as available.
    """
    try:
        lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines() if ":" in line)
        available = int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, ValueError, KeyError, IndexError):
        return None
    limit = memory_limit(root)
    for file in ("memory.current", "memory/memory.usage_in_bytes"):
        try:
            used = int((root / file).read_text())
        except (OSError, ValueError):
            continue
        used -= min(_given_back(root / file), used)
        return min(available, max(limit - used, 0)) if limit else available
    return available


def _given_back(usage: Path) -> int:
    """Return the bytes of a control group that are files which the system may drop."""
    try:
        rows = dict(
            line.split() for line in usage.with_name("memory.stat").read_text().splitlines()
        )
        return int(rows.get("total_inactive_file") or rows["inactive_file"])
    except (OSError, ValueError, KeyError):
        return 0
