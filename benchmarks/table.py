"""Measurements → the page that states them, with the targets beside."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.measure import Memory

MOST_MEMORY = 954  # MiB: a gigabyte
_PACKAGES = ("pyspark", "onnxruntime", "numpy", "pyarrow", "pillow")
_STEPS = (
    ("reading", "reading", "reading"),
    ("decoding (ours with thumbnail)", "decode with thumbnail", "bare decode"),
    ("of which the thumbnail's JPEG", "thumbnail's JPEG", None),
    ("inference", "inference", "bare inference"),
    ("whole, steps overlapped", "embed", "bare loop"),
)


@dataclass
class Results:
    """All that one run of the benchmark measured; what was left out is empty."""

    photos: str
    count: int
    cores: int
    command: str
    java: str
    starts: list[tuple[float, float]] = field(default_factory=list)  # ours, bare session
    few: int = 16
    memory: dict[int, Memory] = field(default_factory=dict)
    steps: dict[str, float] = field(default_factory=dict)
    load: tuple[float, float] = (0.0, 0.0)  # the machine's, before and after


def page(results: Results) -> str:
    """Return the page, Markdown."""
    parts = [
        "# What Verger costs, as measured\n",
        *_about(results),
        "## Against the targets\n",
        *table(["measure", "Verger", "peer", "ratio", "target", "met"], _targets(results)),
    ]
    if results.starts:
        parts += ["## Every round\n"]
        head = ["round", f"`verger run` on {results.few} photos, s", "bare session, s"]
        parts += table(head, _start_rounds(results))
    if results.steps:
        parts += [
            "## Where a photo's time goes\n",
            "One process, one core, no Spark; CPU ms a photo, median of the rounds.\n",
            *table(["step", "Verger", "bare loop"], _steps(results.steps)),
        ]
    parts += ["## Method\n", _method(results)]
    return "\n".join(parts) + "\n"


def _about(results: Results) -> Iterable[str]:
    versions = [f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES]
    yield f"- date: {dt.datetime.now(tz=dt.UTC):%Y-%m-%d %H:%M} UTC"
    yield f"- machine: {machine()}"
    yield f"- versions: Python {platform.python_version()}, Java {results.java}, " + ", ".join(
        versions
    )
    yield f"- command: `{results.command}`"
    yield f"- photos: {results.photos}"
    before, after = results.load
    yield f"- load of the machine (of 1 minute), before and after: {before:.1f}, {after:.1f}\n"


def machine() -> str:
    """Describe this machine in one line."""
    model = platform.processor() or platform.machine()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
            model = next(
                line.split(":")[1].strip() for line in file if line.startswith("model name")
            )
    except (OSError, StopIteration):
        pass
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}"


def _targets(results: Results) -> Iterable[Sequence[str]]:
    if results.starts:
        ours = statistics.median(a for a, _ in results.starts)
        theirs = statistics.median(b for _, b in results.starts)
        ratio = ours / theirs
        yield (
            f"seconds, whole command on {results.few} photos, against a bare session",
            f"{ours:.1f}",
            f"{theirs:.1f}",
            f"{ratio:.2f}",
            "≤ 1.3",
            _met(ratio <= 1.3),
        )
    yield from _memory(results.memory)


def _memory(memory: dict[int, Memory]) -> Iterable[Sequence[str]]:
    for count, peak in sorted(memory.items()):
        name = f"peak memory on {count:,} photos, MiB"
        if not peak.total:
            yield name, "not measured here", "", "", "", ""
            continue
        detail = f"{peak.total:,.0f} (Java {peak.java:,.0f}, Python {peak.python:,.0f})"
        yield name, detail, "", "", f"≤ {MOST_MEMORY} (1 GB)", _met(peak.total <= MOST_MEMORY)


def _start_rounds(results: Results) -> Iterable[Sequence[str]]:
    for n, (ours, theirs) in enumerate(results.starts):
        yield str(n + 1), f"{ours:.2f}", f"{theirs:.2f}"


def _steps(steps: dict[str, float]) -> Iterable[Sequence[str]]:
    for name, ours, bare in _STEPS:
        yield name, f"{steps[ours]:.2f}", f"{steps[bare]:.2f}" if bare else ""
    rest = steps["embed without the network"] - sum(
        steps[name] for name in ("reading", "decode with thumbnail", "listing")
    )
    yield "handing over, rows, Arrow (whole without network, less the steps)", f"{rest:.2f}", ""


def _met(met: bool) -> str:
    return "yes" if met else "**no**"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterable[str]:
    """Give the lines of a table, Markdown, and an empty one."""
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(row) + " |"
    yield ""


def _method(results: Results) -> str:
    return f"""\
- The files are read once before, so that nobody waits for the disk; {results.cores} cores. What
  others need for the same photos: `benchmarks/peers.md`.
- {results.few} photos: wall time of `verger run`, which takes no Spark for so few, and of a Python
  process that starts Spark as it comes, counts one DataFrame and stops, alternately; medians.
- Memory is the proportional set size of all processes, sampled every 0.2 s in runs of their own.
  The peak is the report's, which grows with the photos: with up to 10,000 new ones no Java stands
  beside it (until 30 November one did, and 6,000 photos took 1,451 MiB).
"""
