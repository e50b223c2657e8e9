"""What a release would have, and what Verger does where not all of it is installed."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import httpx
import pytest

from installed import REPOSITORY, SPARK, distributions, environment
from program import Ended, execute, start
from verger.errors import UsageError
from verger.machine import extras

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return distributions(tmp_path_factory.mktemp("distributions"))[1]


@pytest.fixture(scope="module")
def plain(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Verger without any extra."""
    return environment(tmp_path_factory.mktemp("plain"), wheel)


@pytest.fixture(scope="module")
def demo(plain: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `verger demo` leaves in an empty folder."""
    empty = tmp_path_factory.mktemp("empty")
    ended = run(plain, "demo", cwd=empty)
    assert ended.code == 0, ended.err
    return empty / "verger-demo"


def run(verger: Path, *words: object, cwd: Path | None = None) -> Ended:
    return execute([str(verger), *map(str, words)], cwd=cwd)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ("serve", "serve STORE"),
        ("serve", "app STORE --output FOLDER"),
        ("slides", "slides STORE"),
        ("notebook", "notebook STORE"),
        ("map", "report STORE --map neighbours"),
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
    verger = environment(tmp_path / "container", wheel, "serve", without=SPARK)
    server = start([str(verger), "serve", str(demo / "store"), "--port", "0"])
    try:
        assert server.stdout is not None
        address = re.search(r"http://[\w.:]+", server.stdout.readline())
        assert address, server.communicate()
        assert httpx.get(f"{address[0]}/healthz").status_code == 200
    finally:
        server.terminate()
        server.communicate()

    ended = run(verger, "run", demo / "photos", tmp_path / "store", "--engine", "spark")
    assert ended.code == UsageError.exit_code
    assert "Spark needs pyspark, pandas, which are not installed. Install: " in ended.error


def test_what_is_installed_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for extra in PROJECT["optional-dependencies"]["all"][0][len("verger[") : -1].split(","):
        extras.need(extra, "the tests")


@pytest.mark.parametrize(
    ("origin", "asked"),
    [
        ("", "'verger[map]==1.2.3'"),
        ('{"url": "file:///a%20b/c", "dir_info": {"editable": true}}', "-e '/a b/c[map]'"),
        ('{"url": "file:///a/c", "dir_info": {}}', "'/a/c[map]'"),
        (
            '{"url": "https://there/verger.whl", "archive_info": {}}',
            "'verger[map] @ https://there/verger.whl'",
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

    monkeypatch.setattr(extras.metadata, "distribution", lambda _: Installed())
    assert extras.install_line("map") == f"{sys.executable} -m pip install {asked}"
