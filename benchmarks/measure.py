"""Running a command, and what it took: wall time, CPU of all its processes, peak memory."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import psutil

SECONDS_BETWEEN_SAMPLES = 0.2
_SECONDS_TO_END = 15.0


class PastStart(NamedTuple):
    """What two sizes tell apart: what starting takes, and what each further photo takes."""

    start: float
    each: float

    @classmethod
    def of(cls, sizes: tuple[int, int], taken: tuple[float, float]) -> PastStart:
        """Draw the line through what both sizes took, seconds say; the larger comes second."""
        each = (taken[1] - taken[0]) / (sizes[1] - sizes[0])
        return cls(taken[0] - each * sizes[0], each)

    @property
    def rate(self) -> float | None:
        """Photos a second; None where noise is larger than what the sizes differ by."""
        return 1 / self.each if self.each > 0 else None


class Failed(Exception):
    """A command of the benchmark ended badly."""


@dataclass
class Memory:
    """Peaks of the proportional set size, MiB. `java` and `python` have each their own peak."""

    total: float = 0.0
    java: float = 0.0
    python: float = 0.0
    largest: float = 0.0  # of any one process
    first: float = 0.0  # of the command itself


@dataclass
class Measured:
    """What a command took. Times of `lines` and `cpu_over_time` are seconds since its start."""

    seconds: float
    cpu: float  # seconds of all processes, those included that ended before
    memory: Memory
    stdout: str
    lines: list[tuple[float, str]]  # of standard error, with the time each came
    cpu_over_time: list[tuple[float, float]]

    def cpu_between(self, start: float, stop: float) -> float:
        """Return the CPU seconds used between two times, from the nearest samples."""
        return self._cpu_at(stop) - self._cpu_at(start)

    def _cpu_at(self, when: float) -> float:
        series = self.cpu_over_time
        at = min(max(bisect_left(series, (when, 0.0)), 1), len(series) - 1)
        (t0, c0), (t1, c1) = series[at - 1], series[at]
        share = min(max((when - t0) / (t1 - t0), 0.0), 1.0)
        return c0 + share * (c1 - c0)


def measure(
    command: list[str], *, cwd: Path, env: dict[str, str] | None = None, memory: bool = False
) -> Measured:
    """Run a command to its end. Raises `Failed` with the end of what it said if it fails.

    Memory is read only when asked for: reading it makes the processes wait a little.
    """
    with tempfile.TemporaryFile("w+") as out:
        start = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            cwd=cwd,
            env={**os.environ, **(env or {})},
        )
        sampler = _Sampler(process.pid, start, memory=memory)
        sampler.start()
        lines: list[tuple[float, str]] = []
        try:
            assert process.stderr is not None
            for line in process.stderr:
                lines.append((time.perf_counter() - start, line.rstrip()))  # noqa: PERF401
            process.wait()
            seconds = time.perf_counter() - start
        finally:
            sampler.finish()
        if process.returncode:
            said = "\n".join(line for _, line in lines[-15:])
            raise Failed(f"{' '.join(command[:4])} … ended with {process.returncode}:\n{said}")
        out.seek(0)
        series = sampler.series
        return Measured(seconds, series[-1][1], sampler.memory, out.read(), lines, series)


class _Sampler:
    """Watches a process and all its descendants, those that lost their parent included.

    The time of a process that ends counts up to its last sample. Reading a parent's account of its
    children would be exact, but Spark's worker daemon has the system forget them.
    """

    def __init__(self, root: int, since: float, *, memory: bool) -> None:
        self._root, self._since, self._memory_wanted = root, since, memory
        self.memory = Memory()
        self.series = [(0.0, 0.0)]  # seconds since the start, CPU seconds
        self._alive = {root: psutil.Process(root)}
        self._cpu: dict[tuple[int, float], float] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def finish(self) -> None:
        """Take a last sample, wait for stragglers, and end those that stay."""
        self._ended.set()
        self._thread.join()
        deadline = time.monotonic() + _SECONDS_TO_END
        while self._alive and time.monotonic() < deadline:
            self._sample()
            time.sleep(0.05)
        for process in self._alive.values():
            process.kill()

    def _watch(self) -> None:
        while not self._ended.wait(SECONDS_BETWEEN_SAMPLES):
            self._sample()

    def _sample(self) -> None:
        self._find()
        now = Memory()
        for process in list(self._alive.values()):
            try:
                with process.oneshot():
                    if process.status() == psutil.STATUS_ZOMBIE:
                        del self._alive[process.pid]
                        continue
                    times = process.cpu_times()
                    self._cpu[process.pid, process.create_time()] = times.user + times.system
                    if self._memory_wanted:
                        _add(now, process, first=process.pid == self._root)
            except psutil.Error:
                self._alive.pop(process.pid, None)
        self.series.append((time.perf_counter() - self._since, sum(self._cpu.values())))
        for name in ("total", "java", "python", "largest", "first"):
            setattr(self.memory, name, max(getattr(self.memory, name), getattr(now, name)))

    def _find(self) -> None:
        for process in list(self._alive.values()):
            try:
                for child in process.children():
                    self._alive.setdefault(child.pid, child)
            except psutil.Error:
                self._alive.pop(process.pid, None)


def _add(now: Memory, process: psutil.Process, *, first: bool) -> None:
    size = _pss(process.pid)
    now.first += size * first
    now.total += size
    now.largest = max(now.largest, size)
    if "java" in process.name():
        now.java += size
    else:
        now.python += size


def _pss(pid: int) -> float:
    """Return a process's proportional set size in MiB; 0 where Linux does not say."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)
