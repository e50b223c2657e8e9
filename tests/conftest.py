"""In CI a skipped test is a failure: a skip there hides a missing step. And the S3 server."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

# The processes that run tests have no core to spare, and BLAS's threads wait for each other by
# turning round. Here, before anything imports NumPy; what tests start inherits it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Tests read English, whatever the language of who runs them; processes that they start inherit it.
os.environ["LANGUAGE"] = "en"

import pytest

if TYPE_CHECKING:
    from seaweed import S3

# The session of Spark, the runs that tests share, the browser: one of each for the whole suite.
pytest_plugins = ["whole_runs", "browser"]

# A shell leaves Ctrl-C ignored in what it runs in the background, and what that starts inherits it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave to `make test` what asks an S3 server, which takes its time."""
    for item in items:
        params = (
            item.callspec.params.values()
            if isinstance(item, pytest.Function) and hasattr(item, "callspec")
            else ()
        )
        asked = {
            *getattr(item, "fixturenames", ()),
            *(one for one in params if isinstance(one, str)),
        }
        if asked.intersection({"s3", "bucket", "a bucket"}):
            item.add_marker(pytest.mark.slow)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a session of CI that skipped anything."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or not os.environ.get("CI"):
        return
    if skipped := reporter.stats.get("skipped", []):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reporter.write_line(f"CI: {len(skipped)} skipped, which counts as a failure", red=True)


@pytest.fixture(scope="session", autouse=True)
def _pandas_stays() -> Iterator[None]:
    """Keep what a command does to its process from that of the tests, in which some run."""
    from verger.cli import helping

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(helping, "keep_pandas_out", lambda: None)
        yield


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[[str, str], Path]]:
    """Mount a file system of memory, by a name and options; or skip where that may not be."""
    made: list[Path] = []

    def mount(name: str, options: str) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        line = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        ran = subprocess.run(line, capture_output=True, text=True, check=False)
        if ran.returncode:
            pytest.skip(f"nothing may be mounted here: {ran.stderr.strip()}")
        made.append(folder)
        return folder

    yield mount
    for folder in made:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def in_memory(tmp_path: Path) -> Iterator[Path]:
    """Return a folder in memory where there is one: for what is done anew for each of many steps.

    A disk takes milliseconds to say that a file is on it, which makes minutes of them all.
    """
    memory = Path("/dev/shm")  # noqa: S108 - a folder of its own in it
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="verger-tests-", dir=memory) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """Start one S3 server for all tests that ask for it."""
    from seaweed import serve

    with serve(tmp_path_factory.mktemp("s3")) as server:
        yield server
