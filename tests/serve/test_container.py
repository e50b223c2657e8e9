"""The container file, as far as it can be checked without an engine."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def test_hadolint_finds_nothing() -> None:
    command = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if command is None:
        pytest.skip("hadolint is not installed")
    file = REPOSITORY / "Containerfile"
    done = subprocess.run([command, file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_it_installs_what_the_extra_brings_without_spark() -> None:
    """That this is enough, `tests/test_packages.py` shows."""
    text = (REPOSITORY / "Containerfile").read_text(encoding="utf-8")
    assert "--no-deps -r requirements-serve.txt" in text
    listed = (REPOSITORY / "requirements-serve.txt").read_text(encoding="utf-8")
    assert "\nfastapi==" in listed
    assert "\npyspark==" not in listed


def test_it_runs_without_rights_and_stops_when_told() -> None:
    text = (REPOSITORY / "Containerfile").read_text(encoding="utf-8")
    last = text.rpartition("\nFROM ")[2]
    assert re.search(r"^USER 10001:10001$", last, re.MULTILINE)
    assert re.search(r"^STOPSIGNAL SIGTERM$", last, re.MULTILINE)
    assert re.search(r'^ENTRYPOINT \["verger", "serve", "/store"', last, re.MULTILINE)
