"""The program as a user runs it: a process of its own, what it printed, and its exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

# `verger demo` with 3 views of a fruit; that there are 16 by default is tested by itself.
DEMO = """
import verger.demo as demo
from verger.cli.main import main
render = demo.render_orchard
demo.render_orchard = lambda to, **how: render(to, views=2, test_views=1, **how)
main()
"""

PATIENCE = 300  # seconds; a slow machine with other work must not fail a test

# In a Linux container tests often run as root, whom no file mode stops. These two capabilities
# are what lets root pass; a process that has given them up is stopped like anybody else.
_GIVE_UP_ROOT = (
    "import ctypes, os, sys; libc = ctypes.CDLL(None, use_errno=True); "
    "ok = [libc.prctl(24, capability, 0, 0, 0) == 0 for capability in (1, 2)]; "
    "os.execv(sys.executable, [sys.executable, *sys.argv[1:]]) if all(ok) else sys.exit(99)"
)


@dataclass(frozen=True)
class Ended:
    """How a program ended."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line that says what went wrong."""
        assert "Traceback" not in self.out + self.err, self.err[-3000:]
        lines = [line for line in self.err.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith(("verger:", "Error:"))]
        assert len(errors) == 1, self.err[-3000:]
        assert lines[-1] == errors[0], self.err[-3000:]
        return errors[0]


def command(*args: object) -> list[str]:
    return [sys.executable, "-m", "verger", *words(*args)]


# What asks for Spark; and for help, which is all that is told then.
_SPARK = ("--engine", "--master", "--memory", "--spark-conf", "--device", "--help")
ON_SPARK = ("--engine", "spark")


def words(*args: object) -> list[str]:
    """Arguments; a run makes its report, which takes seconds, only where a test asks for it.

    It needs no Spark where it asks for none, whatever session of the tests is running.
    """
    given = [str(arg) for arg in args]
    if given[:1] == ["run"] and "--report" not in given and "--help" not in given:
        given.append("--no-report")
    if given[:1] in (["run"], ["reduce"]) and not {*_SPARK} & {*given}:
        given += ["--engine", "process"]
    return given


def ordinary_user(line: list[str]) -> list[str]:
    """The same of a user whom file modes stop; `line` begins with this Python.

    Skips where there is no way to be one.
    """
    if os.geteuid() != 0:
        return line
    if sys.platform != "linux":
        pytest.skip("root is stopped by no file mode here")
    return [sys.executable, "-c", _GIVE_UP_ROOT, *line[1:]]


def quick_java() -> dict[str, str]:
    """Variables for programs that start Spark by themselves: the Java of Verger's short sessions.

    Not for what `verger` starts on this machine: it chooses its options itself.
    """
    from verger.spark.java import find_java, java_home, start_flags

    home = java_home(find_java())
    # A Java that does not fit the archive would say so on standard output.
    options = [*start_flags(home, short=True), "-Xlog:disable"]
    return {"JAVA_HOME": str(home), "JAVA_TOOL_OPTIONS": " ".join(options)}


def start(
    line: list[str],
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> subprocess.Popen[str]:
    """Start a process in a session of its own, so that signals reach it and not the tests."""
    return subprocess.Popen(
        line,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=None if env is None else dict(env),
        cwd=cwd,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> Ended:
    try:
        out, err = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return Ended(process.returncode, out, err)


def execute(
    line: list[str], env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Ended:
    return finish(start(line, env, cwd))


def verger(*args: object, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Ended:
    """Run the program to its end."""
    return execute(command(*args), env, cwd)
