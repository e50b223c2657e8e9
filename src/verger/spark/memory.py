"""How much memory there is, and how much of it Java is given."""

from __future__ import annotations

from pathlib import Path

_MIB = 2**20
_MOST, _LEAST, _STEP = 1024, 512, 64  # MiB; Spark does not start with less than 450
# What stands beside the heap, in MiB: what Java needs for itself, the driver and the process that
# workers are forked from; and one worker a core, with its photos and its batch. With one core and a
# heap of 512 MiB, all processes together held 1,219 MiB (PSS) at their peak over 612 photos.
_BESIDE, _A_WORKER = 450, 250


def java_memory(available: int | None, cores: int) -> str:
    """Return what `--memory auto` is: 1g, or less where that and all else would not fit.

    `available` is in bytes, None where it is not known; `cores` is how many workers there will be.
    Never less than Spark needs to start: there, the system may have to swap.
    """
    if available is None:
        return f"{_MOST}m"
    left = available // _MIB - _BESIDE - cores * _A_WORKER
    return f"{min(max(left // _STEP * _STEP, _LEAST), _MOST)}m"


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
