"""What a person sees: help, version, and a bar on a terminal."""

from __future__ import annotations

import dataclasses
import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import verger as package
from program import ON_SPARK, PATIENCE, command, execute, verger
from report_orchard import jpeg
from report_stores import lay
from verger.settings import RunSettings

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def on_a_terminal(line: list[str]) -> tuple[int, str]:
    """Run a program on a terminal of 100 columns; return its exit code and all it wrote there."""
    ours, theirs = pty.openpty()
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40"}
    process = subprocess.Popen(
        line, stdin=theirs, stdout=theirs, stderr=theirs, env=env, start_new_session=True
    )
    os.close(theirs)
    written = b""
    deadline = time.monotonic() + PATIENCE
    try:
        while time.monotonic() < deadline:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # Linux says so when the other side is closed
                break
            if not piece:
                break
            written += piece
        return process.wait(60), written.decode()
    finally:
        process.kill()
        process.wait()
        os.close(ours)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options", [(), pytest.param(ON_SPARK, marks=pytest.mark.spark)], ids=["process", "spark"]
)
def test_a_bar_on_a_terminal(options: tuple[str, ...], orchard: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number, file in enumerate(sorted(orchard.rglob("*.jpg")) * 8):
        (photos / f"{number}.jpg").hardlink_to(file)
    for number in range(3):
        (photos / f"bad {number}.jpg").write_text("no photo")
    # No rate is told in the first second: a slow network takes longer on a fast machine, too.
    slow = ("--backbone", "efficientnet-lite0", "--views", "224,256,320,420")
    code, written = on_a_terminal(command("run", photos, tmp_path / "store", *slow, *options))
    assert code == 0, written
    assert "\x1b[" in written
    shown = ESCAPES.sub("", written)
    assert re.search(r"Embedding +━+.*243/243 +[0-9.]+ photos/s", shown), shown[-3000:]
    assert "3 rejected" in shown
    assert re.search(r"\d+:\d\d", shown), "no time left is shown"
    assert "Next:" in shown
    for noise in ("WARN", "INFO", "Exception", "Traceback", "SparkContext", "log4j"):
        assert noise not in shown, shown[-3000:]
    for part in ("matrix/", "matrix.csv", "features/", "rejects/", "projection/", "run.json"):
        assert part in shown


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_of_the_program(option: str) -> None:
    ended = verger(option)
    assert (ended.code, ended.err) == (0, "")
    for name in ("run", "demo", "prepare"):
        assert re.search(rf"^  {name} ", ended.out, re.MULTILINE)


def test_help_of_run_names_each_setting() -> None:
    ended = verger("run", "--help-all")
    assert (ended.code, ended.err) == (0, "")
    for setting in dataclasses.fields(RunSettings):
        assert "--" + setting.name.replace("_", "-") in ended.out or (
            f"--no-{setting.name}" in ended.out
        ), setting.name
    for word in ("--json", "--quiet", "Exit codes", "PHOTOS", "STORE", ".heic"):
        assert word in ended.out
    assert max(map(len, ended.out.splitlines())) <= 100


def test_version() -> None:
    ended = verger("--version")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == f"verger, version {package.__version__}\n"


@pytest.mark.slow
def test_a_run_does_without_pandas(tmp_path: Path) -> None:
    """pyarrow would import it at its first array, which takes half a second."""
    photos = lay(tmp_path / "photos", {f"a/{n}.jpg": jpeg("Apple Braeburn", n) for n in range(3)})
    script = (
        "import sys; from verger.cli.main import main\n"
        "try: main()\n"
        "finally: print('pyarrow' in sys.modules, 'pandas' in sys.modules)"
    )
    done = execute([sys.executable, "-c", script, "run", str(photos), str(tmp_path / "store")])
    assert done.out.splitlines()[-1] == "True False", done.err


def test_help_starts_without_spark_or_networks() -> None:
    """What a person only asks for help must not take seconds."""
    script = (
        "import sys, verger.cli.main; "
        "heavy = {'pyspark', 'py4j', 'onnxruntime', 'pandas', 'PIL.Image', "
        "'verger.cli.cloud_jobs'}; "
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_run_begins_without_what_it_may_never_need() -> None:
    """What is refused is told at once: pandas alone would take a third of a second."""
    script = (
        "import sys, verger.pipeline; "
        "heavy = {'pyspark', 'py4j', 'onnxruntime', 'pandas'}; "
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("words", [["run"], ["run", "only-photos"], ["no-such-command"]])
def test_a_wrong_command_line_says_how_it_goes(words: list[str]) -> None:
    ended = verger(*words)
    assert ended.code == 2
    assert "Traceback" not in ended.err
    assert ended.err.startswith("verger: ")
    assert ended.err.count("\n") == 1
    assert "--help" in ended.err


def test_a_file_in_the_current_folder_is_no_module_of_the_program(tmp_path: Path) -> None:
    for name in ("random", "logging", "click", "dataclasses", "typing"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(3)\n")
    ended = verger("--version", cwd=tmp_path)
    assert (ended.code, ended.err) == (0, "")
