"""The peers' environments: each its own, in a folder that git ignores. No project shares them."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

from benchmarks.contenders import HERE
from benchmarks.measure import Failed

FOLDER = HERE.parent / ".bench"


def needs_of(peer: str) -> Path:
    """Return the file of what a peer needs, versions pinned, the peer itself first."""
    return HERE / "peers" / f"{peer}.txt"


def version_of(peer: str) -> str:
    """Return the name and version of a peer's package."""
    return needs_of(peer).read_text(encoding="utf-8").split()[0].replace("==", " ")


def python_of(peer: str) -> str:
    """Return the interpreter of a peer's environment, which is made if it is not as it should be.

    Raises `Failed` with pip's reason, one line.
    """
    needs, folder = needs_of(peer), FOLDER / peer
    python, stamp = folder / "bin" / "python", folder / "made-of"
    made_of = hashlib.sha256(needs.read_bytes() + sys.version.encode()).hexdigest()
    if stamp.exists() and stamp.read_text(encoding="utf-8") == made_of:
        return str(python)
    print(f"{peer}: installing {version_of(peer)} into {folder.name}/", file=sys.stderr, flush=True)
    _install(peer, [sys.executable, "-m", "venv", "--clear", str(folder)])
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _install(peer, [*pip, "-r", str(needs)])
    stamp.write_text(made_of, encoding="utf-8")
    return str(python)


def _install(peer: str, command: list[str]) -> None:
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        said = [line for line in (ended.stderr + ended.stdout).splitlines() if line.strip()]
        errors = [line for line in said if line.startswith("ERROR:")] or said[-1:] or ["no reason"]
        raise Failed(
            f"the environment of {peer} ({needs_of(peer).name}) cannot be made: {errors[0]} "
            "Leave it out with --peers, which names those to measure."
        )
