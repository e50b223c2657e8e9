"""Make an environment and install into it, by uv where that is there, else by pip.

python scripts/set_up.py FOLDER [--uv PROGRAM] [-- ARGUMENTS OF PIP INSTALL]

While it installs it says what it is doing: on a terminal in one line, elsewhere now and then. It is
run by whatever Python is there, and needs nothing else.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import subprocess
import sys
import time
from collections import deque
from pathlib import Path

# Spark comes as source, of which a wheel is made that is unpacked at once: to compress half a
# gigabyte of what is compressed already takes half of the time (34 s of a core for 16, measured).
_QUICK_WHEELS = "--config-settings=--build-option=--compression=stored"
_BETWEEN_LINES = 15  # seconds, where there is no terminal
# What pip and uv say of their steps, and what is told of it.
_STEPS = (
    (re.compile(r"\s*Collecting ([\w.-]+)"), "looking up {}"),
    (re.compile(r"\s*Downloading ([\w.-]+?)-\d.*"), "downloading {}"),
    (re.compile(r"\s*Building wheel for ([\w.-]+)"), "building {}"),
    (re.compile(r"\s*Installing collected packages: ()"), "unpacking{} what was downloaded"),
    (re.compile(r"\s*Building ([\w.-]+)"), "building {}"),
    (re.compile(r"\s*(?:Resolved|Prepared) (\d+ packages).*"), "downloading and unpacking {}"),
)


def main() -> int:
    """Do it; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--uv", default="", help="the program uv; empty for pip")
    parser.add_argument("packages", nargs="*", help="-- and what `pip install` takes")
    given = parser.parse_args()
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        print("Verger needs Python 3.11, 3.12 or 3.13: make PYTHON=python3.12 …", file=sys.stderr)
        return 1
    python = given.folder / "bin" / "python"
    if given.packages:
        return _install(given.uv, python, given.packages)
    return _make(given.uv, given.folder)


def _make(uv: str, folder: Path) -> int:
    if uv:
        line = [uv, "venv", "--quiet", "--seed", "--allow-existing", "--python", sys.executable]
        return subprocess.run([*line, str(folder)], check=False).returncode
    if importlib.util.find_spec("ensurepip") is None:
        print("This Python has no venv: on Debian and Ubuntu, apt install python3-venv")
        return 1
    return subprocess.run([sys.executable, "-m", "venv", str(folder)], check=False).returncode


def _install(uv: str, python: Path, packages: list[str]) -> int:
    # Compiled here, not in the tests, to which a warning of a compiler is an error.
    if uv:
        line = [
            uv,
            "pip",
            "install",
            "--no-progress",
            "--compile-bytecode",
            "--python",
            str(python),
            _QUICK_WHEELS,
        ]
        line += packages
    else:
        line = [str(python), "-m", "pip", "install", "--disable-pip-version-check"]
        line += ["--progress-bar", "off", _QUICK_WHEELS, *packages]
    by, folder = "uv" if uv else "pip", python.parent.parent
    print(f"Installing into {folder} by {by}, this once: a minute or two.", flush=True)
    begun = told = time.monotonic()
    last: deque[str] = deque(maxlen=12)
    with subprocess.Popen(
        line,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None  # noqa: S101
        for said in process.stdout:
            last.append(said)
            now = time.monotonic()
            step = _step(said)
            long = step.startswith(("building", "unpacking"))  # then pip is silent
            if step and (sys.stdout.isatty() or long or now - told >= _BETWEEN_LINES):
                _tell(f"{now - begun:4.0f} s  {step}")
                told = now
    if sys.stdout.isatty():
        print("\r\x1b[K", end="")
    if process.returncode:
        print("".join(last), end="", file=sys.stderr)
        return process.returncode
    print(f"Installed into {folder} in {time.monotonic() - begun:.0f} s.", flush=True)
    return 0


def _step(said: str) -> str:
    for pattern, words in _STEPS:
        if found := pattern.match(said):
            return words.format(found[1])
    return ""


def _tell(line: str) -> None:
    if sys.stdout.isatty():
        print(f"\r{line[:78]}\x1b[K", end="", flush=True)
    else:
        print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
