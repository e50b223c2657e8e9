"""The container file, as far as it can be checked without an engine."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
_PROBE = """
import sys
import verger.cli.main, verger.serve.server, PIL.Image, pi_heif, onnxruntime
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_hadolint_finds_nothing() -> None:
    command = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if command is None:
        pytest.skip("hadolint is not installed")
    file = REPOSITORY / "Containerfile"
    done = subprocess.run([command, file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_what_it_installs_is_what_the_server_imports() -> None:
    """Nothing is missing from the image; and nothing in it goes unused."""
    done = subprocess.run(
        [sys.executable, "-c", _PROBE], capture_output=True, text=True, check=True
    )
    of_module = importlib.metadata.packages_distributions()
    imported = {
        _folded(name) for module in done.stdout.split() for name in of_module.get(module, ())
    }
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {_folded(re.split(r"[<>=,]", line)[0]) for line in project["dependencies"]}
    text = (REPOSITORY / "Containerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    listed = re.search(r"-c constraints\.txt ([a-z0-9 -]+)", text)
    assert listed
    # What these need in turn, pip brings by itself.
    assert {_folded(name) for name in listed[1].split()} == imported & declared


def test_it_runs_without_rights_and_stops_when_told() -> None:
    text = (REPOSITORY / "Containerfile").read_text(encoding="utf-8")
    last = text.rpartition("\nFROM ")[2]
    assert re.search(r"^USER 10001:10001$", last, re.MULTILINE)
    assert re.search(r"^STOPSIGNAL SIGTERM$", last, re.MULTILINE)
    assert re.search(r'^ENTRYPOINT \["verger", "serve", "/store"', last, re.MULTILINE)


def _folded(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
