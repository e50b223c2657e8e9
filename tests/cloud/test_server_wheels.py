"""What a server is sent: the same from whichever Python sends it."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from verger.cloud import ship
from verger.errors import EngineError

REPOSITORY = Path(__file__).resolve().parents[2]
PYENV = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser() / "versions"


def python_of(version: str) -> str:
    """Return a Python of a version, wherever it is installed."""
    found = [*PYENV.glob(f"{version}.*/bin/python"), shutil.which(f"python{version}")]
    if not found[0]:
        pytest.skip(f"no Python {version} here")
    return str(found[0])


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What pip is asked for, which is not fetched."""
    words: list[str] = []
    monkeypatch.setattr(ship, "_pip", lambda *arguments: words.extend(arguments))
    return iter([words])


def test_the_list_is_what_the_script_makes_of_the_constraints() -> None:
    script = runpy.run_path(str(REPOSITORY / "scripts" / "server_wheels.py"))
    assert script["main"](["--check"]) == 0


def test_versions_installed_here_do_not_count(
    asked: Iterator[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a newer Python's packages, some have no version for the Python of the server."""

    class Newest:
        name, version = "numpy", "99.0"

    monkeypatch.setattr(metadata, "distributions", lambda: [Newest()])
    words = next(asked)

    ship._download(ship.requirements(), tmp_path, "arm64", "3.11")

    assert "--no-deps" in words  # no resolver
    wanted = [word for word in words if "==" in word]
    assert wanted == ship.requirements()
    assert "numpy==99.0" not in wanted
    assert "3.11" in words


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_each_python_sends_wheels_for_the_server_s(version: str, tmp_path: Path) -> None:
    """With nothing of Verger's installed: what is needed stands in a file."""
    program = (
        "import sys; from pathlib import Path; from verger.cloud import ship;"
        "some = [one for one in ship.requirements() if one.startswith('markupsafe==')];"
        "ship._download(some, Path(sys.argv[1]), 'arm64', '3.11'); print(*ship.requirements())"
    )
    ran = subprocess.run(
        [python_of(version), "-c", program, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY / "src")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr[-2000:]
    (wheel,) = tmp_path.glob("*.whl")
    assert "cp311-cp311-manylinux" in wheel.name
    assert "aarch64" in wheel.name
    assert ran.stdout.split() == ship.requirements()


def test_a_version_that_is_not_there_is_not_blamed_on_the_network(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="pip download failed") as told:
        ship._download(["markupsafe==0.0.1"], tmp_path, "arm64", "3.11")

    assert "only has other versions of it" in told.value.hint
