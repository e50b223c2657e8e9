"""What a release would have, and what Verger does where not all of it is installed."""

from __future__ import annotations

import datetime as dt
import email
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import httpx
import pytest
import yaml

import verger
from installed import REPOSITORY, SPARK, distributions, environment
from program import DEMO, Ended, execute, start
from verger.errors import UsageError
from verger.machine import extras

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The sdist, and the wheel."""
    return distributions(tmp_path_factory.mktemp("distributions"))


@pytest.fixture(scope="module")
def wheel(built: tuple[Path, Path]) -> Path:
    return built[1]


@pytest.fixture(scope="module")
def plain(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Verger without any extra."""
    return environment(tmp_path_factory.mktemp("plain"), wheel)


@pytest.fixture(scope="module")
def demo(plain: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `verger demo` leaves in an empty folder."""
    empty = tmp_path_factory.mktemp("empty")
    ended = execute([str(plain.with_name("python")), "-P", "-c", DEMO, "demo"], cwd=empty)
    assert ended.code == 0, ended.err
    return empty / "verger-demo"


def run(program: Path, *words: object, cwd: Path | None = None) -> Ended:
    return execute([str(program), *map(str, words)], cwd=cwd)


# A release ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_wheel_and_sdist_hold_the_package_whole(built: tuple[Path, Path]) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "src/verger"],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    ).stdout.split("\n")  # fmt: skip
    package = {name for name in listed if (REPOSITORY / name).is_file()}
    sdist, wheel = built
    with zipfile.ZipFile(wheel) as opened:
        inside = set(opened.namelist())
    info = f"verger-{verger.__version__}.dist-info"
    assert {f"src/{name}" for name in inside if not name.startswith(info)} == package
    assert f"{info}/licenses/LICENSE" in inside
    with tarfile.open(sdist) as packed:
        names = {name.partition("/")[2] for name in packed.getnames()}
    assert package | {"pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE"} <= names
    assert not [name for name in names if name.startswith(("tests", "docs", "benchmarks", "."))]


@pytest.mark.slow
def test_the_metadata_are_the_project_s(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        text = opened.read(f"verger-{verger.__version__}.dist-info/METADATA").decode()
    said = email.message_from_string(text)
    assert wheel.name == f"verger-{verger.__version__}-py3-none-any.whl"
    assert (said["Name"], said["Version"]) == ("verger", verger.__version__)
    assert said["Author"] == "Verger contributors"
    assert said["License-Expression"] == "Apache-2.0"
    assert said["Requires-Python"] == "<3.14,>=3.11"
    assert set(said.get_all("Provides-Extra", [])) == set(PROJECT["optional-dependencies"])
    assert "@" not in "".join(said.get_all("Requires-Dist", []))
    assert str(said.get_payload()).startswith("# Verger\n")


def test_the_changelog_begins_with_this_version_and_its_date() -> None:
    text = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## \[([\d.]+)\] - (.*)$", text, re.MULTILINE)
    assert newest
    assert newest[1] == verger.__version__
    assert dt.date.fromisoformat(newest[2]) >= dt.date(2026, 11, 29)


@pytest.mark.parametrize(("readme", "point"), [("README.md", "."), ("README.fr.md", ",")])
def test_the_readmes_tell_what_installing_was_measured_to_take(readme: str, point: str) -> None:
    page = (REPOSITORY / "benchmarks" / "installs.md").read_text(encoding="utf-8")
    *kinds, demo = re.findall(r"^\|.*\| (\d\.\d\d) \| (\d+) \| (\d+) \|$", page, re.MULTILINE)
    assert len(kinds) == 4
    told = (REPOSITORY / readme).read_text(encoding="utf-8")
    for size, by_pip, by_uv in kinds:
        assert f"| {size.replace('.', point)} | {by_uv} | {by_pip} |" in told
    assert f" {demo[2]} s" in told


def test_github_runs_what_ci_runs_on_each_python_that_is_named() -> None:
    file = REPOSITORY / ".github" / "workflows" / "tests.yml"
    jobs = yaml.safe_load(file.read_text(encoding="utf-8"))["jobs"]
    named = [line.rpartition(":: ")[2] for line in PROJECT["classifiers"] if ":: 3." in line]
    assert jobs["test"]["strategy"]["matrix"]["python"] == named
    commands = {
        name: [step["run"] for step in job["steps"] if "run" in step] for name, job in jobs.items()
    }
    assert [line.split()[-1] for line in commands["test"]] == [".ci/run"]
    assert (commands["macos"], commands["distributions"]) == (["make check"], ["make dist"])


@pytest.mark.slow
def test_setting_up_says_what_it_does_and_why_it_failed(wheel: Path, tmp_path: Path) -> None:
    script = [sys.executable, str(REPOSITORY / "scripts" / "set_up.py"), str(tmp_path / "venv")]
    assert execute(script).code == 0
    install = [*script, "--", "--no-index", "--no-deps"]
    done = execute([*install, str(wheel)])
    assert done.code == 0
    first, *_, last = done.out.splitlines()
    assert first == f"Installing into {tmp_path / 'venv'} by pip, this once: a minute or two."
    assert last.startswith(f"Installed into {tmp_path / 'venv'} in ")
    assert (tmp_path / "venv" / "bin" / "verger").exists()

    failed = execute([*install, "verger-needs-no-such-thing"])
    assert failed.code == 1
    assert "No matching distribution found for verger-needs-no-such-thing" in failed.err

    # Without uv; with one that works; with one that does not, after which pip goes on.
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    plain["PIP_CONFIG_FILE"] = os.devnull

    def by(variable: dict[str, str]) -> list[str]:
        words = ["--uv", "get", script[2], "--", "--no-deps", "--force-reinstall", str(wheel)]
        done = execute([*script[:2], *words], env=plain | variable)
        assert done.code == 0, done.err
        return re.findall(r"Installing into .* by (\w+)", done.out)

    uv = tmp_path / "venv" / "bin" / "uv"
    assert by({"PIP_NO_INDEX": "1"}) == ["pip"]
    assert not uv.exists()
    uv.symlink_to(Path(sys.executable).with_name("uv"))
    assert by({}) == ["uv"]
    assert by({"PIP_INDEX_URL": "https://mirror.invalid/simple"}) == ["pip"]
    uv.unlink()
    uv.symlink_to(shutil.which("false") or "")
    assert by({}) == ["uv", "pip"]


# Extras -------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ("serve", "serve STORE"),
        ("serve", "app STORE --output FOLDER"),
        ("slides", "slides STORE"),
        ("notebook", "notebook STORE"),
        ("aws", "run s3://bucket/photos STORE"),
        ("aws", "identify s3://bucket/store PHOTO.jpg"),
        ("aws", "cloud check s3://bucket/photos s3://bucket/store"),
        ("aws", "cloud status"),
        ("aws", "cloud plan --photos-count 100 --live-prices"),
        ("export", "backbones export timm:resnet18 --output out.onnx"),
    ],
)
def test_a_command_whose_extra_is_missing_says_the_line_that_installs_it(
    plain: Path, wheel: Path, tmp_path: Path, extra: str, words: str
) -> None:
    ended = run(plain, *words.split(), cwd=tmp_path)
    assert ended.code == UsageError.exit_code
    python = plain.with_name("python")
    line = f"uv pip install --python {python} 'verger[{extra}] @ file://{wheel}'"
    assert ended.error.endswith(f"not installed. Install: {line}")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_plain_installation_does_the_main_job(plain: Path, demo: Path, tmp_path: Path) -> None:
    """Photos to matrix and report; and an answer, a check, and a plan."""
    store = demo / "store"
    assert (store / "matrix.csv").is_file()
    assert (store / "report" / "report.html").is_file()
    for words in (
        ["identify", store, next((demo / "photos").rglob("*.jpg"))],
        ["verify", store],
        ["cloud", "plan", "--photos-count", "100"],
    ):
        ended = run(plain, *words, cwd=tmp_path)
        assert ended.code == 0, ended.err


@pytest.mark.slow
def test_the_container_serves_without_spark(wheel: Path, demo: Path, tmp_path: Path) -> None:
    container = environment(tmp_path / "container", wheel, "serve", without=SPARK)
    server = start([str(container), "serve", str(demo / "store"), "--port", "0"])
    try:
        assert server.stdout is not None
        address = re.search(r"http://[\w.:]+", server.stdout.readline())
        assert address, server.communicate()
        assert httpx.get(f"{address[0]}/healthz").status_code == 200
    finally:
        server.terminate()
        server.communicate()

    ended = run(container, "run", demo / "photos", tmp_path / "store", "--engine", "spark")
    assert ended.code == UsageError.exit_code
    assert "Spark needs pyspark, pandas, which are not installed. Install: " in ended.error


def test_what_is_installed_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for extra in PROJECT["optional-dependencies"]["all"][0][len("verger[") : -1].split(","):
        extras.need(extra, "the tests")


@pytest.mark.parametrize(
    ("origin", "asked"),
    [
        ("", "'verger[slides]==1.2.3'"),
        ('{"url": "file:///a%20b/c", "dir_info": {"editable": true}}', "-e '/a b/c[slides]'"),
        ('{"url": "file:///a/c", "dir_info": {}}', "'/a/c[slides]'"),
        (
            '{"url": "https://there/verger.whl", "archive_info": {}}',
            "'verger[slides] @ https://there/verger.whl'",
        ),
    ],
)
def test_an_extra_comes_from_where_verger_came_from(
    monkeypatch: pytest.MonkeyPatch, origin: str, asked: str
) -> None:
    class Installed:
        version = "1.2.3"

        def read_text(self, name: str) -> str:
            return origin if name == "direct_url.json" else ""

    monkeypatch.setattr(metadata, "distribution", lambda _: Installed())
    assert extras.install_line("slides") == f"{sys.executable} -m pip install {asked}"
