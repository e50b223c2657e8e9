"""What Spark throws, turned into what a user is told."""

from __future__ import annotations

import sys

import pytest
from py4j.protocol import Py4JError

from verger.errors import BackboneError, EngineError, StoreError, VergerError
from verger.spark.failures import job_errors, translated

_STACK = "\n\tat java.base/java.lang.Thread.run(Thread.java:840)\n"
_CALL = "An error occurred while calling o77.saveAsTextFile.\n: "


def test_what_stopped_the_program_is_raised_rather_than_what_came_of_it() -> None:
    def stopped_in_a_call() -> None:
        try:
            raise KeyboardInterrupt
        finally:
            raise Py4JError("Answer from Java side is empty")

    with pytest.raises(KeyboardInterrupt), job_errors():
        stopped_in_a_call()


def test_an_error_of_java_alone_is_an_error_of_the_engine() -> None:
    with pytest.raises(EngineError, match="Answer from Java"), job_errors():
        raise Py4JError("Answer from Java side is empty")


@pytest.mark.parametrize(
    ("text", "kind", "told"),
    [
        (
            f"{_CALL}org.apache.hadoop.mapred.InvalidInputException: no such thing{_STACK}",
            EngineError,
            "A Spark job failed: org.apache.hadoop.mapred.InvalidInputException: no such thing",
        ),
        (
            f"{_CALL}org.apache.spark.SparkException: Job aborted{_STACK}"
            f"Caused by: java.net.ConnectException: refused{_STACK}",
            EngineError,
            "A Spark job failed: java.net.ConnectException: refused",
        ),
        (
            f'{_CALL}x{_STACK}  File "a.py", line 3\nOSError: the wire was cut\n{_STACK}',
            EngineError,
            "A Spark job failed: OSError: the wire was cut",
        ),
        (
            f'{_CALL}x{_STACK}Caused by: java.io.IOException: Cannot run program "/opt/python": '
            f"error=2{_STACK}Caused by: java.io.IOException: error=2, No such file{_STACK}",
            EngineError,
            "Spark's workers have no Python at /opt/python. Set PYSPARK_PYTHON",
        ),
        (
            f"{_CALL}x{_STACK}ModuleNotFoundError: No module named 'verger'\n{_STACK}",
            EngineError,
            "The Python of Spark's workers has no module 'verger'. Install Verger there",
        ),
        (f"{_CALL}x: verger.errors.BackboneError: It is bent.{_STACK}", BackboneError, "It is"),
        (f"{_CALL}java.io.IOException: No space left on device{_STACK}", StoreError, "The disk"),
        (
            f"{_CALL}java.nio.file.AccessDeniedException: /x/part-0{_STACK}",
            StoreError,
            "No permission to write: /x/part-0",
        ),
        ("", EngineError, "A Spark job failed: no reason given"),
    ],
)
def test_the_line_that_says_most(text: str, kind: type[VergerError], told: str) -> None:
    error = translated(text)
    assert type(error) is kind
    assert str(error).startswith(told)
    assert "\tat " not in str(error)


@pytest.mark.parametrize(
    "text",
    [
        f"{_CALL}x{_STACK}ModuleNotFoundError: No module named 'verger'\n{_STACK}",
        f"{_CALL}x{_STACK}pyspark.errors.PySparkRuntimeError: [PYTHON_VERSION_MISMATCH] Python in "
        f"worker has different version: 3.9 than that in driver: 3.12{_STACK}",
        f'{_CALL}x{_STACK}Caused by: java.io.IOException: Cannot run program "python3": error=2',
    ],
)
def test_on_one_machine_the_remedy_is_this_python(text: str) -> None:
    assert str(translated(text, alone=True)).endswith(
        f"Set PYSPARK_PYTHON={sys.executable} before Spark starts."
    )
    assert sys.executable not in str(translated(text))
