"""Make an environment and install into it, by uv, which takes half as long as pip, or by pip.

python scripts/set_up.py [--uv PROGRAM|get] FOLDER [-- ARGUMENTS OF PIP INSTALL]

`get` installs uv into the environment first, and leaves all to pip where that is not possible.
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
_GET = "get"
_PINS = Path(__file__).parents[1] / "constraints.txt"
# Whoever tells pip of these has reasons, and uv does not read pip's configuration.
_OF_PIP_ALONE = re.compile(r"\.(index-url|extra-index-url|no-index|proxy)=")
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
    parser.add_argument("--uv", default="", help="the program uv, or get; empty for pip")
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
    if uv not in ("", _GET):
        line = [uv, "venv", "--quiet", "--seed", "--allow-existing", "--python", sys.executable]
        return subprocess.run([*line, str(folder)], check=False).returncode
    if importlib.util.find_spec("ensurepip") is None:
        print("This Python has no venv: on Debian and Ubuntu, apt install python3-venv")
        return 1
    return subprocess.run([sys.executable, "-m", "venv", str(folder)], check=False).returncode


def _install(uv: str, python: Path, packages: list[str]) -> int:
    pip = [str(python), "-m", "pip"]
    by_pip = [*pip, "install", "--disable-pip-version-check", "--progress-bar", "off"]
    folder, begun = python.parent.parent, time.monotonic()
    if program := _got(pip, python.with_name("uv")) if uv == _GET else uv:
        # Compiled here, not in the tests, to which a warning of a compiler is an error.
        by_uv = [program, "pip", "install", "--no-progress", "--compile-bytecode"]
        by_uv += ["--python", str(python)]
        code = _run("uv", [*by_uv, _QUICK_WHEELS, *packages], folder, begun)
        if not code or uv != _GET:
            return code
    return _run("pip", [*by_pip, _QUICK_WHEELS, *packages], folder, begun)


def _got(pip: list[str], uv: Path) -> str:
    """Return the program uv, installed now if need be; nothing where pip is to do it all."""
    configured = subprocess.run(
        [*pip, "config", "list"], capture_output=True, text=True, check=False
    )
    if _OF_PIP_ALONE.search(configured.stdout):
        return ""
    if not uv.exists():
        print("Fetching uv, which installs in half the time.", flush=True)
        line = [*pip, "install", "--quiet", "--disable-pip-version-check", "--retries", "1"]
        subprocess.run([*line, "-c", str(_PINS), "uv"], capture_output=True, check=False)
    return str(uv) if os.access(uv, os.X_OK) else ""


def _run(by: str, line: list[str], folder: Path, begun: float) -> int:
    """Install, saying what is done; return the exit code, after what was said last if it failed."""
    print(f"Installing into {folder} by {by}, this once: a minute or two.", flush=True)
    told = time.monotonic()
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
