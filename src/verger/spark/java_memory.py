"""How much of the memory Java is given, and how many tasks run beside it."""

from __future__ import annotations

from dataclasses import dataclass

_MIB = 2**20
_MOST, _LEAST, _STEP = 1024, 512, 64  # MiB; Spark does not start with less than 450
# What stands beside the heap, in MiB: what Java needs for itself, the driver and the process that
# workers are forked from; and one worker a core, with its photos and its batch. With one core and a
# heap of 512 MiB, all processes together held 1,219 MiB (PSS) at their peak over 612 photos.
_BESIDE, _A_WORKER = 450, 250
# Below all that: what Spark holds of a run is small (some 110 MiB after a collection).
_TIGHT = 224

# Settings for a heap that Spark by itself refuses.
TIGHT_CONF = {
    # Spark sets 300 MiB aside, and starts with no less than half as much again. This is the one
    # setting for that; it is called "testing", and is in every Spark since 1.6.
    "spark.testing.reservedMemory": str(48 * _MIB),
    # The network of a worker that is kept would stand beside the fit, and beside the gallery.
    "spark.python.worker.reuse": "false",
}
# Java's threads, and a worker's, would each keep what they freed to themselves.
TIGHT_ENVIRONMENT = {"MALLOC_ARENA_MAX": "2"}


@dataclass(frozen=True, slots=True)
class Share:
    """What a run takes of this machine: Java's heap (MiB), and how many tasks run at once."""

    heap: int
    cores: int

    @property
    def is_tight(self) -> bool:
        """Say whether the heap is one that Spark starts with only if it is told to."""
        return self.heap < _LEAST


def share_of(available: int | None, cores: int, *, fewer: bool = True) -> Share:
    """Return what `--memory auto` is: a heap of 1 GiB, or less where that would not fit.

    `available` is in bytes, None where it is not known; `cores` is how many there are, of which
    fewer are used, if `fewer` may be, before the heap is made smaller than Spark wants it. A
    machine of 1 GB has one worker beside a heap of 224 MiB; where even that does not fit, the
    system may have to swap.
    """
    if available is None:
        return Share(_MOST, cores)
    left = available // _MIB - _BESIDE
    if fewer:
        cores = min(max((left - _LEAST) // _A_WORKER, 1), cores)
    left -= cores * _A_WORKER
    if left < _LEAST:
        return Share(_TIGHT, cores)
    return Share(min(left // _STEP * _STEP, _MOST), cores)


def threads_of(available: int | None, cores: int) -> int:
    """Return how many tasks this process carries out at once, without Java; see `share_of`."""
    if available is None:
        return cores
    return min(max((available // _MIB - _BESIDE) // _A_WORKER, 1), cores)
