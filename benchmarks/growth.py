"""`python -m benchmarks.growth`: the second run, the memory of the first, and a second worker.

Whole commands on 6,000 photos (`--count`): a run in a control group of 1 GB, where the system lets
us make one; a run with nothing new, beside the start of a bare Spark session; runs with 1% new,
fitted anew and with the projection held, and with 1% moved to another label; and one worker of one
core on a standalone cluster, against two. A run on 5,000 photos or more replaces
benchmarks/growth.md; a smaller one is only printed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pyspark

from benchmarks import contenders, photos
from benchmarks.contenders import HERE, VERGER
from benchmarks.measure import Failed, Measured, measure
from benchmarks.table import machine
from verger.spark.java import find_java, java_home

_FULL = 5_000
_GIGABYTE = 10**9
_GROUPS = Path("/sys/fs/cgroup/memory")  # of version 1
_DEPLOY = "org.apache.spark.deploy"
_PLACE = ("--host", "127.0.0.1", "--port", "0", "--webui-port", "0")


@dataclass
class Found:
    """What was measured; seconds, and MiB."""

    limited: bool = False
    tight: dict[str, Any] = field(default_factory=dict)  # the record of the run in 1 GB
    peak: float = 0.0
    first: float = 0.0
    session: float = 0.0
    nothing: float = 0.0
    stages: list[tuple[str, float, float]] = field(default_factory=list)  # first, with 1% new
    days: list[tuple[str, float]] = field(default_factory=list)  # whole commands after the first
    # Of one worker and of two: embedding, and the whole command.
    workers: list[tuple[float, float]] = field(default_factory=list)


def main() -> None:
    """Measure, print the page, and write it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--photos", type=Path, help="a folder of photos (default: rendered)")
    parser.add_argument("--count", type=int, default=6_000, help="photos (default: 6,000)")
    parser.add_argument("--cores", type=int, default=2)
    parts = ("memory", "second", "workers")
    parser.add_argument("--skip", action="append", default=[], choices=parts)
    options = parser.parse_args()
    load, count, found = os.getloadavg()[0], options.count, Found()
    seeds = -(-count // photos.A_SEED) * photos.A_SEED
    files = photos.listed(options.photos or photos.rendered(seeds, options.cores))
    with tempfile.TemporaryDirectory(prefix="verger-bench-") as name:
        scratch = Path(name)
        laid = photos.lay(files, count, scratch / "photos")
        for part, of in (("memory", _memory), ("second", _second), ("workers", _workers)):
            if part not in options.skip:
                print(part, file=sys.stderr)
                of(laid, scratch, options.cores, found)
    text = _page(found, count, load)
    print(text)
    if count >= _FULL and not options.skip:
        (HERE / "growth.md").write_text(text, encoding="utf-8")


def _memory(laid: Path, scratch: Path, _: int, found: Found) -> None:
    """Run all of it within 1 GB, as a user would."""
    command = [*VERGER, "run", str(laid), str(scratch / "tight"), "--json"]
    with _gigabyte() as within:
        found.limited = bool(within)
        took = measure([*within, *command], cwd=scratch, memory=True)
    found.tight, found.peak = json.loads(took.stdout), took.memory.total


@contextmanager
def _gigabyte() -> Iterator[list[str]]:
    """Give what to put before a command so that it has 1 GB, and sees that it has no more.

    Gives nothing where this system does not let us: it takes root, and control groups version 1.
    """
    group = _GROUPS / f"verger-bench-{os.getpid()}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(_GIGABYTE))
    except OSError:
        yield []
        return
    # In a mount namespace of its own the group is all that the command sees, as in a container.
    script = f'echo $$ > {group}/cgroup.procs && mount --bind {group} {_GROUPS} && exec "$@"'
    try:
        yield ["unshare", "--mount", "sh", "-c", script, "sh"]
    finally:
        with suppress(OSError):
            group.rmdir()


def _second(laid: Path, scratch: Path, cores: int, found: Found) -> None:
    """Run, run with nothing new, run with 1% new, and run with 1% moved to another label."""
    store, held = scratch / "store", scratch / "held"
    command = [*VERGER, "run", str(laid), str(store), "--json", "--cores", str(cores)]
    some = sorted(file for file in laid.rglob("*") if file.is_file())[::100]
    for number, file in enumerate(some):
        file.rename(scratch / f"later-{number}")
    first = measure(command, cwd=scratch)
    found.session = statistics.median(contenders.plain_session(scratch).seconds for _ in range(3))
    found.nothing = statistics.median(measure(command, cwd=scratch).seconds for _ in range(3))
    shutil.copytree(store, held)
    for number, file in enumerate(some):
        (scratch / f"later-{number}").rename(file)
    grown = measure(command, cwd=scratch)
    record = json.loads(grown.stdout)
    assert record["changes"]["new"] == len(some), record["changes"]
    words = [str(held) if word == str(store) else word for word in command]
    as_it_was = measure([*words, "--refit", "when-it-matters"], cwd=scratch)
    folders = sorted({file.parent for file in some})
    for file in some:  # from the folder of one label to that of the next
        to = folders[(folders.index(file.parent) + 1) % len(folders)]
        file.rename(to / f"moved-{file.parent.name}-{file.name}")
    moved = measure(command, cwd=scratch)
    found.first, found.stages = first.seconds, _stages(first, grown)
    found.days = [
        ("1% new", grown.seconds),
        ("1% new, projection held", as_it_was.seconds),
        ("1% moved to another label", moved.seconds),
    ]


def _stages(first: Measured, grown: Measured) -> list[tuple[str, float, float]]:
    one, other = (json.loads(took.stdout)["seconds"] for took in (first, grown))
    return [(stage, one[stage], other.get(stage, 0.0)) for stage in one]


def _workers(laid: Path, scratch: Path, cores: int, found: Found) -> None:
    """Embed on a standalone cluster, of one worker with one core and then of two."""
    for number in (1, 2):
        with ExitStack() as stack:
            logs = Path(tempfile.mkdtemp(prefix="cluster-", dir=scratch))
            master = logs / "master.log"
            stack.enter_context(_daemon(master, f"{_DEPLOY}.master.Master", *_PLACE))
            url = _said(master, r"(spark://127\.0\.0\.1:\d+)")
            for n in range(number):
                log = logs / f"worker{n}.log"
                words = (f"{_DEPLOY}.worker.Worker", *_PLACE, "--cores", "1", "--memory", "1g", url)
                stack.enter_context(_daemon(log, *words, on=n % cores))
                _said(log, r"(Successfully registered with master)")
            command = [*VERGER, "run", str(laid), str(logs / "store"), "--master", url, "--json"]
            took = measure([*command, "--memory", "800m", "--no-report"], cwd=logs)
        record = json.loads(took.stdout)
        assert record["cores"] == number, record["cores"]
        found.workers.append((record["seconds"]["embed"], took.seconds))


@contextmanager
def _daemon(log: Path, *words: str, on: int | None = None) -> Iterator[None]:
    """Run a part of a cluster, as docs/howto/cluster.md says; `on` one core, if given."""
    env = os.environ | {"JAVA_HOME": str(java_home(find_java())), "PYSPARK_PYTHON": sys.executable}
    env |= {"SPARK_WORKER_DIR": str(log.parent / "work"), "SPARK_LOCAL_IP": "127.0.0.1"}
    command = [str(Path(pyspark.__file__).parent / "bin" / "spark-class"), *words]
    if on is not None:  # its core is all that it has, as on a machine of one core
        command = ["taskset", "--cpu-list", str(on), *command]
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=env, cwd=log.parent)
    try:
        yield
    finally:
        for one in [*psutil.Process(process.pid).children(recursive=True), process]:
            one.terminate()
        process.wait(60)


def _said(log: Path, pattern: str) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if found := re.search(pattern, log.read_text()):
            return found.group(1)
        time.sleep(0.2)
    raise Failed(f"{pattern} was never logged: {log.read_text()[-1000:]}")


def _page(found: Found, count: int, load: float) -> str:
    rows: list[tuple[str, str, str, str, bool | None]] = []
    if found.tight:
        what = "a control group of 10⁹ bytes" if found.limited else "no limit could be set here"
        fits = found.peak < _GIGABYTE / 2**20
        rows.append((f"the whole chain ({what})", f"completes; peak {found.peak:,.0f} MiB of all "
                     f"processes, {found.tight['cores']} core", "", "< 954 MiB", fits))  # fmt: skip
    if found.nothing:
        ratio = found.nothing / found.session
        rows.append(("nothing new ÷ a bare session's start",
                     f"{found.nothing:.1f} s ÷ {found.session:.1f} s", f"{ratio:.2f}", "≤ 1.5",
                     ratio <= 1.5))  # fmt: skip
        seconds = next(both for stage, *both in found.stages if stage == "embed")
        rows.append(("1% new ÷ first run, embedding", f"{seconds[1]:.1f} s ÷ {seconds[0]:.1f} s",
                     f"{seconds[1] / seconds[0]:.2f}", "in proportion", None))  # fmt: skip
        for what, took in found.days:
            ratio = took / found.first
            rows.append((f"{what} ÷ first run, whole command",
                         f"{took:.1f} s ÷ {found.first:.1f} s", f"{ratio:.2f}", "≤ 0.10",
                         ratio <= 0.1))  # fmt: skip
    if found.workers:
        (one, all_of_one), (two, all_of_two) = found.workers
        rows.append(("two workers against one, embedding", f"{one:.1f} s ÷ {two:.1f} s",
                     f"{one / two:.2f}", "≥ 1.8", one / two >= 1.8))  # fmt: skip
        rows.append(("two workers against one, whole command",
                     f"{all_of_one:.1f} s ÷ {all_of_two:.1f} s",
                     f"{all_of_one / all_of_two:.2f}", "", None))  # fmt: skip
    met = {True: "yes", False: "**no**", None: ""}
    table = [f"| {' | '.join(row[:4])} | {met[row[4]]} |" for row in rows]
    stages = ", ".join(f"{stage} {one:.1f} → {other:.1f}" for stage, one, other in found.stages)
    return f"""# Growth

{machine()}; load before: {load:.1f}

Made by `python -m benchmarks.growth`, on {count:,} photos.

| measure | figures | ratio | asked for | met |
|---|---|---|---|---|
{chr(10).join(table)}

Seconds by stage, of the first run and of that with 1% new: {stages}. The report is made
after these, and is most of what is left. The embedding and the moments that the projections are
fitted to are of what is new, and the validation is kept; the matrix, the gallery and the report are
of all photos, so that a second run leaves what one run over all of them would.

Times of whole commands are medians of three for a run with nothing new and for a bare session
(Python that starts Spark as it comes, counts one DataFrame, and stops). The workers are daemons of
a standalone cluster, of one core each, on this machine, whose cores they share with driver and
master. What makes workers ready, before a photo is read, is in the whole command alone.
"""


if __name__ == "__main__":
    main()
