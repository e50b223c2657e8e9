"""How many cores this process may use, which may be fewer than the machine has."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

# Where systems keep control groups of CPU: version 2, version 2 beside 1, and version 1.
_UNIFIED = ("", "unified")
_VERSION_1 = ("cpu", "cpu,cpuacct", "cpuacct,cpu")


def cores(root: Path = Path("/sys/fs/cgroup"), mine: Path = Path("/proc/self/cgroup")) -> int:
    """Return how many cores this process may use, at least 1.

    Those that it is bound to (`taskset`, a cpuset), and no more than the control groups that it
    lies in give it time for, part of a core counting as one.
    """
    try:
        usable = len(os.sched_getaffinity(0))
    except (AttributeError, OSError):  # macOS knows none
        usable = os.cpu_count() or 1
    limits = [limit for folder in _groups(root, mine) if (limit := _limit(folder)) is not None]
    return max(min([usable, *(math.ceil(limit) for limit in limits)]), 1)


def _groups(root: Path, mine: Path) -> Iterator[Path]:
    """Yield the folders of the control groups that this process lies in, from the root down.

    Each of them may set a limit. In a container the root is often the group itself, and the path
    that the process is told is the host's: then there is no such folder, and the root counts.
    """
    try:
        lines = mine.read_text().splitlines()
    except OSError:
        lines = []
    paths = {"/": True}
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers or "cpu" in controllers.split(","):
            paths[path] = True
    for mount in (*_UNIFIED, *_VERSION_1):
        for path in paths:
            folder = root / mount
            yield folder
            for part in Path(path).parts[1:]:
                folder /= part
                yield folder


def _limit(folder: Path) -> float | None:
    """Return how many cores' time a control group gives; None where it sets no limit."""
    version_2 = folder / "cpu.max"  # quota and period, in µs
    version_1 = folder / "cpu.cfs_quota_us", folder / "cpu.cfs_period_us"
    try:
        said = [file.read_text() for file in ([version_2] if version_2.exists() else version_1)]
        quota, period = (int(word) for word in " ".join(said).split())
    except (OSError, ValueError):  # no such group; "max"
        return None
    return quota / period if quota > 0 and period > 0 else None
