"""What is refused before Spark is started."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from verger.errors import EngineError
from verger.settings import RunSettings
from verger.spark.session import session


@pytest.fixture
def nobody() -> Iterator[str]:
    """A port of this machine where nobody listens, held so that nobody else takes it."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{one.getsockname()[1]}"


@pytest.mark.parametrize(
    ("addresses", "reason"),
    [
        ("{nobody}", "Connection refused"),
        ("{nobody},{nobody}", "Connection refused"),
        ("nowhere.invalid:7077", "not known|resolution"),
        ("somewhere", "that is not HOST:PORT"),
        ("somewhere:port", "that is not HOST:PORT"),
    ],
)
def test_a_master_that_nobody_reaches(nobody: str, addresses: str, reason: str) -> None:
    master = f"spark://{addresses.format(nobody=nobody)}"
    told = f"No Spark master answers at {master}: .*({reason})"
    with pytest.raises(EngineError, match=told), session(RunSettings(master=master)):
        pytest.fail("it started")


def test_a_master_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    def silence(*_: object) -> None:
        raise TimeoutError("timed out")  # as `socket` says it: without a number

    monkeypatch.setattr(socket, "create_connection", silence)
    told = "No Spark master answers at spark://there:7077: timed out."
    with pytest.raises(EngineError, match=told), session(RunSettings(master="spark://there:7077")):
        pytest.fail("it started")
