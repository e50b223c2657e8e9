"""Turning what Spark throws into our own errors, of one line."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from py4j.protocol import Py4JError
from pyspark import SparkContext
from pyspark.errors import PySparkException

import verger.errors
from verger.errors import EngineError, StoreError, VergerError

_THIS_PYTHON = f"Set PYSPARK_PYTHON={sys.executable} before Spark starts."


@contextmanager
def job_errors() -> Iterator[None]:
    """Raise the error of the room that failed in a worker, or an `EngineError`."""
    try:
        yield
    except (PySparkException, Py4JError) as error:
        _raise_what_stopped_it(error)
        raise translated(str(error), alone=_on_this_machine()) from error


def _raise_what_stopped_it(error: BaseException) -> None:
    """Raise again what stops a program, such as KeyboardInterrupt, if the error came of it.

    Ctrl-C reaches Java as well; pyspark, on its way out of a call, then fails to reach Java.
    """
    cause: BaseException | None = error
    while cause is not None:
        if not isinstance(cause, Exception):
            raise cause
        cause = cause.__context__


def translated(text: str, *, alone: bool = False) -> VergerError:
    """Make the error that the text of a failed job tells of.

    `alone` says that Spark has this machine alone.
    """
    ours = re.search(r"verger\.errors\.(\w+): (.+)", text)
    if ours:
        kind = getattr(verger.errors, ours.group(1), None)
        if isinstance(kind, type) and issubclass(kind, VergerError):
            return kind(ours.group(2))
    if re.search(r"No space left on device|Disk quota exceeded|ENOSPC", text):
        return StoreError("The disk is full.", hint="Free some space, and run again.")
    if denied := re.search(r"AccessDeniedException: (.+)|Permission denied: (.+)", text):
        return StoreError(f"No permission to write: {denied.group(1) or denied.group(2)}")
    if unknown := re.search(r'Cannot run program "(.+?)"', text):
        return EngineError(
            f"Spark's workers have no Python at {unknown.group(1)}.",
            hint=_THIS_PYTHON if alone else "Set PYSPARK_PYTHON to one that each machine has.",
        )
    if missing := re.search(r"ModuleNotFoundError: No module named '([\w.]+)'", text):
        return EngineError(
            f"The Python of Spark's workers has no module {missing.group(1)!r}.",
            hint=_THIS_PYTHON
            if alone
            else "Install Verger there, or send it along: docs/howto/cluster.md says how.",
        )
    if "PYTHON_VERSION_MISMATCH" in text or "different version" in text:
        return EngineError(
            "Spark's workers run another version of Python.",
            hint=_THIS_PYTHON
            if alone
            else "Set PYSPARK_PYTHON to one of this version that each machine has.",
        )
    return EngineError(f"A Spark job failed: {_told(text)}", hint="--verbose shows all of it.")


def _on_this_machine() -> bool:
    """Say whether the Spark that is running has this machine alone."""
    context = SparkContext._active_spark_context
    return context is not None and str(context.master).startswith("local")


def _told(text: str) -> str:
    """Pick the line that says most: the error of a worker's Python, else Java's last cause.

    Without a cause, that is what Java threw, which py4j puts after a line of its own.
    """
    python = re.findall(r"^(?:[\w.]+\.)?(\w+(?:Error|Exception): .*\w.*)$", text, re.MULTILINE)
    causes = re.findall(r"Caused by: (.*\w.*)", text)
    thrown = re.findall(r"^: (.*\w.*)", text, re.MULTILINE)
    lines = [line for line in text.splitlines() if line.strip()]
    return next(
        (found[-1] for found in (python, causes, thrown, lines) if found), "no reason given"
    )[:300]
