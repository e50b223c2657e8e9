"""Standard streams that are closed, as daemons start their children: every command runs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from program import command

_CLOSED = ("<&-", ">&-", "2>&-", "<&- >&- 2>&-")


def _run(closed: str, *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {closed}', "sh", *command(*words)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("closed", _CLOSED)
def test_a_command_that_only_tells(closed: str) -> None:
    done = _run(closed, "--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert bool(done.stdout) == (closed in ("<&-", "2>&-"))


@pytest.mark.slow
@pytest.mark.parametrize("closed", _CLOSED)
def test_an_error_keeps_its_code(closed: str, tmp_path: Path) -> None:
    done = _run(closed, "identify", tmp_path, "photo.jpg")
    assert done.returncode == 4
    assert "Traceback" not in done.stderr
    assert bool(done.stderr) == ("2>&-" not in closed)


@pytest.mark.spark
@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_a_whole_run(closed: str, orchard: Path, tmp_path: Path) -> None:
    done = _run(closed, "run", orchard, tmp_path / "store")
    assert done.returncode == 0, done.stderr
    rows = (tmp_path / "store" / "matrix.csv").read_text().splitlines()
    assert len(rows) > 2
    assert "Traceback" not in done.stderr
