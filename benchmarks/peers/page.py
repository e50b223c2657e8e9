"""Measurements → the page that states them: the same network for all, and as each comes."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import os
import platform
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.contenders import PEERS
from benchmarks.measure import PastStart
from benchmarks.peers.environments import version_of
from benchmarks.peers.kept import Measurement, Measurements
from benchmarks.table import machine, table

DEFAULT = "what it comes with"
NAMES = {
    "verger": "`verger run`",
    "daft": "Daft",
    "ray": "Ray Data",
    "spark": "plain Spark",
    "notebook": "notebook idiom, TensorFlow",
    "bare": "bare loop, which writes nothing",
}
_SHARED = ("onnxruntime", "numpy", "pillow")
# What Verger's photos/s are asked to be of a peer's: with the same network in eight bits, and as
# each comes.
_ASKED_OF_THE_SAME = {"daft": 1.05, "ray": 1.4, "spark": 1.1, "bare": 0.93}
_ASKED_AS_EACH_COMES = {"daft": 1.8, "ray": 2.5, "spark": 1.8, "notebook": 4.0}


@dataclass(frozen=True)
class Row:
    """What one contender needs with one network, from the medians of its rounds on two sizes."""

    who: str
    network: str
    past_start: PastStart  # seconds
    seconds: tuple[float, float]  # until the features were written
    cpu: float  # seconds a photo, past start-up
    memory: float | None  # MiB


def row(measured: Measurements, who: str, network: str, sizes: tuple[int, int]) -> Row | None:
    """Sum a contender up; None where it was not measured on both sizes."""
    small, large = (measured.of(who, network, size) for size in sizes)
    if not small or not large:
        return None
    seconds = _median(small, "seconds"), _median(large, "seconds")
    cpu = PastStart.of(sizes, (_median(small, "cpu"), _median(large, "cpu"))).each
    memory = measured.memory(who, network, sizes[1])
    return Row(who, network, PastStart.of(sizes, seconds), seconds, cpu, memory)


def page(
    measured: Measurements, sizes: tuple[int, int], networks: Sequence[str], default: str, told: str
) -> str:
    """Return the page, Markdown.

    networks: those that all ran; as they come, peers take the first
    default: the one of `verger run` as it comes
    told: the command
    """
    parts = ["# Verger beside others\n", *_about(measured, sizes, told)]
    parts += ["## The same network\n"]
    for network in networks:
        rows = [row(measured, who, network, sizes) for who in NAMES]
        asked = _ASKED_OF_THE_SAME if network == default else {}
        parts += [f"{network}:\n", *_summary(rows, sizes, asked)]
    first = networks[0]
    comes = dict.fromkeys(NAMES, first) | {"verger": default, "notebook": DEFAULT}
    rows = [row(measured, who, network, sizes) for who, network in comes.items()]
    parts += ["## As each comes\n", *_summary(rows, sizes, _ASKED_AS_EACH_COMES, comes=True)]
    parts += ["## Every round\n", *_rounds(measured, sizes), "## Method\n", _method(measured)]
    return "\n".join(parts)


def _median(runs: list[Measurement], what: str) -> float:
    return float(statistics.median(getattr(run, what) for run in runs))


def _about(measured: Measurements, sizes: tuple[int, int], told: str) -> Iterable[str]:
    shared = [f"{name} {importlib.metadata.version(name)}" for name in _SHARED]
    peers = [version_of(who) for who in PEERS if any(key.who == who for key in measured.all)]
    yield f"- date: {dt.datetime.now(tz=dt.UTC):%Y-%m-%d %H:%M} UTC"
    yield f"- machine: {machine()}; {measured.settings['cores']} cores for each"
    yield f"- versions: Python {platform.python_version()}, {', '.join(shared + peers)}"
    yield f"- command: `{told}`"
    yield f"- photos: {measured.settings['photos']}; {sizes[0]:,} and {sizes[1]:,} of them"
    yield f"- load of the machine (of 15 minutes) at the end: {os.getloadavg()[2]:.1f}\n"


def _summary(
    rows: Sequence[Row | None],
    sizes: tuple[int, int],
    asked: Mapping[str, float],
    *,
    comes: bool = False,
) -> Iterable[str]:
    found = [one for one in rows if one]
    ours = next((one for one in found if one.who == "verger"), None)
    both = f"{sizes[0]:,} / {sizes[1]:,} photos, s"
    head = ["who", "photos/s", "Verger ÷", "start, s", both, "CPU ms a photo", "memory, MiB"]
    if asked:
        head.insert(3, "asked")
    cells = ([*_cells(one, ours, asked), *([_comes_with(one)] * comes)] for one in found)
    yield from table([*head, *(["network"] * comes)], cells)


def _cells(one: Row, ours: Row | None, asked: Mapping[str, float]) -> Iterable[str]:
    rate, our_rate = one.past_start.rate, ours.past_start.rate if ours else None
    yield NAMES[one.who]
    yield f"{rate:.1f}" if rate else "–"
    yield f"{our_rate / rate:.2f}" if rate and our_rate and one is not ours else ""
    if asked:
        yield f"≥ {asked[one.who]}" if one.who in asked else ""
    yield f"{one.past_start.start:.1f}" if rate else "–"
    yield f"{one.seconds[0]:.1f} / {one.seconds[1]:.1f}"
    yield f"{1000 * one.cpu:.2f}"
    yield f"{one.memory:,.0f}" if one.memory else "–"


def _comes_with(one: Row) -> str:
    return "MobileNetV2" if one.who == "notebook" else one.network


def _rounds(measured: Measurements, sizes: tuple[int, int]) -> Iterable[str]:
    head = ["round", "who", "network", "photos", "features, s", "to its end, s", "CPU, s"]
    runs = [one for one in measured.all.values() if one.key.round and one.key.size in sizes]
    runs.sort(key=lambda one: (list(NAMES).index(one.key.who), one.key[1:]))
    yield from table(head, map(_round, runs))


def _round(run: Measurement) -> Sequence[str]:
    who, network, size, number = run.key
    times = f"{run.seconds:.2f}", f"{run.whole:.2f}", f"{run.cpu:.1f}"
    return str(number), NAMES[who], network, f"{size:,}", *times


def _method(measured: Measurements) -> str:
    off = max((one.off for one in measured.all.values() if one.off is not None), default=0.0)
    return f"""\
- A contender runs as a fresh process on both sizes n1 < n2, in turn with the others, in the reverse
  order every second round. Its seconds t run from the start of the process until all features lie
  in files; of its rounds the median counts. **photos/s** is (n2 − n1) / (t2 − t1): what does not
  grow with the photos (imports, workers, Java, loading models) falls out. **start** is what
  remains, t1 − n1 / (photos/s). CPU is the user and system time of all its processes until then,
  by the same two sizes, sampled every 0.2 s.
- `verger run` is the whole command as a user types it: up to 10,000 new photos are embedded by
  threads of its own process, more by Spark. Fit, matrix, gallery and report, which it
  makes after the features, are in *to its end* only.
- Memory is the peak of the proportional set size of all processes until the end of the command, on
  the larger size, in a run of its own. Memory that processes share counts once.
- After each run the rows are counted, each photo once and with its label, and up to 64 photos that
  Verger and its peers decode to the same pixels are compared with features made apart: they are off
  by {off:.1g} of the largest at most. The features of the notebook's network are not compared.
- Who may do what: the first lines of `benchmarks/peers/__main__.py`.
"""
