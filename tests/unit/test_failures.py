"""What Spark throws, turned into what a user is told."""

from __future__ import annotations

import pytest
from py4j.protocol import Py4JError

from verger.errors import EngineError
from verger.spark.failures import job_errors


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
