"""Standard streams that are closed, as daemons start their children: every command runs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from program import ON_SPARK, command

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


def test_what_standard_output_does_not_take_is_told_in_a_line() -> None:
    done = _run(">/dev/full", "backbones")
    assert done.returncode == 1
    assert done.stderr == ("verger: Standard output cannot be written: No space left on device.\n")


def test_what_standard_error_does_not_take_ends_nothing(tmp_path: Path) -> None:
    assert _run("2>/dev/full", "identify", tmp_path, "photo.jpg").returncode == 4


def test_letters_that_a_terminal_has_not_are_escaped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
    done = _run("", "identify", tmp_path / "st\u0153re\u2192", "photo.jpg")
    assert done.returncode == 4
    assert r"st\u0153re\u2192" in done.stderr
    assert _run("", "backbones").returncode == 0


def test_a_python_that_cannot_name_files_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("LC_ALL", "POSIX"), ("PYTHONUTF8", "0"), ("PYTHONCOERCECLOCALE", "0")):
        monkeypatch.setenv(name, value)
    done = _run("", "backbones")
    assert done.returncode == 2
    assert done.stderr.startswith(
        "verger: This Python reads file names as ascii, not as UTF-8. Unset"
    )
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("closed", _CLOSED)
def test_an_error_keeps_its_code(closed: str, tmp_path: Path) -> None:
    done = _run(closed, "identify", tmp_path, "photo.jpg")
    assert done.returncode == 4
    assert "Traceback" not in done.stderr
    assert bool(done.stderr) == ("2>&-" not in closed)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("closed", "options"),
    [
        (">&-", ()),
        ("<&- >&- 2>&-", ()),
        pytest.param("<&- >&- 2>&-", ON_SPARK, marks=pytest.mark.spark),
    ],
)
def test_a_whole_run(closed: str, options: tuple[str, ...], orchard: Path, tmp_path: Path) -> None:
    done = _run(closed, "run", orchard, tmp_path / "store", *options)
    assert done.returncode == 0, done.stderr
    rows = (tmp_path / "store" / "matrix.csv").read_text().splitlines()
    assert len(rows) > 2
    assert "Traceback" not in done.stderr
