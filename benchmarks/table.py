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

from benchmarks.contenders import Taken
from benchmarks.measure import Memory

FLAT = 1.10  # peaks this far apart still count as flat
_PACKAGES = ("pyspark", "onnxruntime", "numpy", "pyarrow", "pillow")
_NAMES = {
    "verger": "`verger run`, embedding stage",
    "bare": "(a) bare loop",
    "spark": "(b) plain Spark + ONNX",
    "notebook": "(c) notebook idiom, TensorFlow",
}
_TARGETS = {"bare": 0.95, "spark": 1.4, "notebook": 6.0}
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
    sizes: tuple[int, int]
    cores: int
    command: str
    java: str
    archive: bool
    notebook: str
    rounds: dict[str, list[tuple[Taken, Taken]]] = field(default_factory=dict)
    starts: list[tuple[float, float]] = field(default_factory=list)  # ours, bare session
    few: int = 16
    memory: dict[int, Memory] = field(default_factory=dict)
    steps: dict[str, float] = field(default_factory=dict)
    load: tuple[float, float] = (0.0, 0.0)  # the machine's, before and after

    def rate(self, name: str) -> float:
        """Return photos/s: the slope between the two sizes, of their median seconds."""
        small, large = ([taken.seconds for taken in size] for size in self._by_size(name))
        return 1 / self._slope(small, large)

    def cpu(self, name: str, *, stage: bool) -> float:
        """Return CPU milliseconds a photo: the slope between the two sizes, of their medians."""
        small, large = (
            [taken.stage_cpu if stage else taken.cpu for taken in size]
            for size in self._by_size(name)
        )
        return 1000 * self._slope(small, large)

    def _by_size(self, name: str) -> tuple[list[Taken], list[Taken]]:
        return [small for small, _ in self.rounds[name]], [large for _, large in self.rounds[name]]

    def _slope(self, small: list[float], large: list[float]) -> float:
        rise = statistics.median(large) - statistics.median(small)
        return rise / (self.sizes[1] - self.sizes[0])


def page(results: Results) -> str:
    """Return the page, Markdown."""
    parts = [
        "# What Verger costs, as measured\n",
        *_about(results),
        "## Against the targets\n",
        *_table(["measure", "Verger", "peer", "ratio", "target", "met"], _targets(results)),
    ]
    if results.rounds:
        parts += ["## Every round\n", *_table(_round_head(results), _rounds(results))]
    if results.starts:
        head = ["round", f"`verger run` on {results.few} photos, s", "bare session, s"]
        parts += _table(head, _start_rounds(results))
    if results.steps:
        parts += [
            "## Where a photo's time goes\n",
            "One process, one core, no Spark; CPU ms a photo, median of the rounds.\n",
            *_table(["step", "Verger", "bare loop"], _steps(results.steps)),
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
    small, large = results.sizes
    yield f"- photos: {results.photos}; the two sizes are {small:,} and {large:,}"
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
    for peer, target in _TARGETS.items():
        if peer in results.rounds:
            ours, theirs = results.rate("verger"), results.rate(peer)
            ratio = ours / theirs
            yield (
                f"photos/s, against {_NAMES[peer]}",
                f"{ours:.1f}",
                f"{theirs:.1f}",
                f"{ratio:.2f}",
                f"≥ {target:g}",
                _met(ratio >= target),
            )
        elif results.rounds and peer == "notebook":
            yield f"photos/s, against {_NAMES[peer]}", "", results.notebook, "", f"≥ {target:g}", ""
    if results.rounds:
        theirs = results.cpu("bare", stage=False)
        for what, stage in (("embedding stage", True), ("whole command", False)):
            ours = results.cpu("verger", stage=stage)
            ratio = ours / theirs
            yield (
                f"CPU ms a photo, {what}, against (a)",
                f"{ours:.2f}",
                f"{theirs:.2f}",
                f"{ratio:.2f}",
                "≤ 1.10",
                _met(ratio <= 1.10),
            )
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
    if not memory:
        return
    first = memory[min(memory)]
    for count, peak in sorted(memory.items()):
        detail = f"{peak.total:,.0f} (Java {peak.java:,.0f}, Python {peak.python:,.0f})"
        if count == min(memory):
            yield f"peak memory on {count:,} photos, MiB", detail, "", "", "", ""
        elif not first.total:
            yield f"peak memory on {count:,} photos, MiB", "not measured here", "", "", "", ""
        else:
            ratio = peak.total / first.total
            yield (
                f"peak memory on {count:,} photos, MiB",
                detail,
                f"{first.total:,.0f} on {min(memory):,}",
                f"{ratio:.2f}",
                f"flat: ≤ {FLAT}",
                _met(ratio <= FLAT),
            )


def _round_head(results: Results) -> list[str]:
    a, b = results.sizes
    both = f"{a:,} and {b:,} photos"
    return ["round", "who", f"stage, s, {both}", f"CPU, s, {both}"]


def _rounds(results: Results) -> Iterable[Sequence[str]]:
    for name, rounds in results.rounds.items():
        for n, (small, large) in enumerate(rounds):
            seconds = f"{small.seconds:.2f}, {large.seconds:.2f}"
            cpu = f"{small.stage_cpu:.1f}, {large.stage_cpu:.1f}"
            yield str(n + 1), _NAMES[name], seconds, cpu


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


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterable[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(row) + " |"
    yield ""


def _method(results: Results) -> str:
    archive = "with" if results.archive else "**without**"
    return f"""\
- Everyone sees the same files, read once before so that none waits for the disk, and uses
  {results.cores} cores. The contenders take turns; a round holds both sizes of each.
- **Start-up is left out the same way for all**: every contender is run as a fresh process on both
  sizes n1 < n2, and its rate is (n2 − n1) / (t2 − t1), t being the seconds of its stage. What
  does not grow with the photos (workers, imports, models, Java's warming up) cancels out. A stage
  is: for Verger, `seconds.embed` of run.json, from the first task to the last Parquet file
  written; for (a), from before its processes are started to their end; for (b) and (c), from the
  session being up to the last Parquet file written. t is the median over the rounds.
- CPU is the user and system time of all processes a command has started, sampled every 0.2 s, by
  the same two sizes; a process that ends counts up to its last sample. For (a) it is that of the
  whole command; ours is given for the embedding stage alone, found by the time its last line was
  printed, and for the whole command with fit, projection and CSV, which (a) does not do.
- (a) decodes with Pillow to the same frame as Verger, and runs the same ONNX file, batch size and
  one thread a process; it makes no thumbnail and writes nothing. (b) does the same inside a
  `pandas_udf` over `binaryFile`, and writes path, label and features. (c) stretches the photos
  to 224 × 224 pixels and runs Keras's MobileNetV2 with random weights, threads as they come.
- {results.few} photos: wall time of `verger run` ({archive} the class-data archive that `verger
  prepare` makes) and of a Python process that starts Spark as it comes, counts one DataFrame and
  stops, on the same Java, alternately; medians.
- Memory is the proportional set size of all processes, sampled every 0.2 s in runs of their own.
"""
