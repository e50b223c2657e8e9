"""What installing takes: seconds, and room on disk.

python -m benchmarks.installs [--only base,all] [--output FILE]     # into benchmarks/installs.md

Each installation goes into an environment of its own, in a temporary folder, with nothing cached,
by pip and by uv, which .venv has. It needs the network, and a quiet machine to mean anything.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.table import machine, table

ROOT = Path(__file__).resolve().parents[1]
PAGE = Path(__file__).with_suffix(".md")
UV = Path(sys.executable).with_name("uv")
_PINNED = ("-c", "constraints.txt")
KINDS: dict[str, tuple[str, tuple[tuple[str, ...], ...]]] = {
    "serve": (
        "the page without Spark, as in the container",
        (("--no-deps", "-r", "requirements-serve.txt"), ("--no-deps", ".")),
    ),
    "base": ("Verger alone", ((*_PINNED, "."),)),
    "all": ("with all extras", ((*_PINNED, ".[all]"),)),
    "dev": ("with the tools for development", ((*_PINNED, "-e", ".[dev]"),)),
}
DEMO = "demo"
_METHOD = """\
Each line is an installation into an environment of its own, the making of the environment included,
with nothing cached. Sizes are what the environment takes on the disk; modules are compiled as they
are used, and then take more. `make demo` is timed from a fresh clone to the end of its run; what it
installs is the line with all extras. Seconds depend on the network.
"""


@dataclass
class Measured:
    """One kind of installation: room on disk, and seconds by installer."""

    megabytes: float = 0.0
    seconds: dict[str, float] = field(default_factory=dict)


def installed(kind: str, installer: str) -> Measured:
    """Install one kind into a new environment; return what that took."""
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "venv"
        begun = time.perf_counter()
        if installer == "uv":
            _run(str(UV), "venv", "--quiet", "--python", sys.executable, str(folder))
            line = [str(UV), "pip", "install", "--no-cache", "--python", str(folder / "bin/python")]
        else:
            _run(sys.executable, "-m", "venv", str(folder))
            line = [str(folder / "bin/python"), "-m", "pip", "install", "--no-compile"]
        for words in KINDS[kind][1]:
            _run(*line, "--quiet", *words)
        return Measured(_megabytes(folder), {installer: time.perf_counter() - begun})


def demo(installer: str) -> Measured:
    """Clone the repository, and `make demo` there; return what that took."""
    with tempfile.TemporaryDirectory() as work:
        clone = Path(work) / "verger"
        _run("git", "clone", "--quiet", str(ROOT), str(clone))
        uv = "get" if installer == "uv" else ""
        begun = time.perf_counter()
        _run("make", f"PYTHON={sys.executable}", f"UV={uv}", "demo", cwd=clone)
        return Measured(_megabytes(clone / ".venv"), {installer: time.perf_counter() - begun})


def page(made: dict[str, Measured], load: float) -> str:
    """Return the page, Markdown."""
    rows = []
    for kind, one in made.items():
        what = "`make demo`, all of it" if kind == DEMO else KINDS[kind][0]
        seconds = [f"{one.seconds[by]:.0f}" if by in one.seconds else "" for by in ("pip", "uv")]
        rows.append([what, f"{one.megabytes / 1000:.2f}", *seconds])
    return "\n".join(
        [
            "# What installing takes\n",
            f"- date: {dt.datetime.now(tz=dt.UTC):%Y-%m-%d %H:%M} UTC",
            f"- machine: {machine()}, Python {platform.python_version()}",
            f"- load of the machine (of 1 minute) before: {load:.1f}\n",
            *table(["installed", "GB on disk", "s by pip", "s by uv"], rows),
            _METHOD,
        ]
    ).rstrip("\n") + "\n"  # fmt: skip


def _run(*line: str, cwd: Path = ROOT) -> None:
    fresh = {"PIP_NO_CACHE_DIR": "1", "UV_NO_CACHE": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    subprocess.run(line, cwd=cwd, env=os.environ | fresh, check=True, stdout=subprocess.DEVNULL)


def _megabytes(folder: Path) -> float:
    """Return what a folder takes on the disk, in millions of bytes; links count as links."""
    return sum(file.lstat().st_blocks * 512 for file in folder.rglob("*")) / 1e6


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default=",".join([*KINDS, DEMO]), help="a comma between kinds")
    parser.add_argument("--output", type=Path, default=PAGE)
    options = parser.parse_args(arguments)
    load = os.getloadavg()[0]
    made: dict[str, Measured] = {}
    for kind in options.only.split(","):
        for installer in ("pip", "uv"):
            one = demo(installer) if kind == DEMO else installed(kind, installer)
            both = made.setdefault(kind, one)
            both.seconds |= one.seconds
            print(f"{kind} by {installer}: {one}", flush=True)
    options.output.write_text(page(made, load), encoding="utf-8")


if __name__ == "__main__":
    main()
