"""Progress of long work: a bar, plain lines, or nothing when quiet."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

import click

from verger.errors import Check, VergerError, visible
from verger.texts.command import localized, say, spoken
from verger.texts.numbers import Numbers

SECONDS_BETWEEN_LINES = 5.0
_LONG = 1.0  # seconds of a step that is worth a line


class Stage:
    """One long stage, told of its advance; this one shows nothing."""

    def update(self, done: int, rejected: int = 0) -> None:
        """Say how many items are done in all, and how many of them were rejected."""


class Reporter:
    """What a run says while it works; this one says nothing."""

    @contextmanager
    def stage(self, name: str, total: int | None, unit: str) -> Iterator[Stage]:  # noqa: ARG002
        """Open a long stage of `total` items (None: not known)."""
        yield Stage()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:  # noqa: ARG002
        """Open a long step of which no part can be counted."""
        yield

    def say(self, line: str) -> None:
        """Print one line."""


Silent = Reporter


class Plain(Reporter):
    """Plain lines on standard error, one every few seconds; no colours, no cursor movement."""

    def __init__(self, seconds: float = SECONDS_BETWEEN_LINES) -> None:
        self._seconds = seconds

    @contextmanager
    def stage(self, name: str, total: int | None, unit: str) -> Iterator[Stage]:
        """Open a stage that prints a line now and then."""
        stage = _PlainStage(say(name), total, say(unit), self._seconds)
        yield stage
        stage.finish()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Open a step that prints a line at its end, if it took its time."""
        start = time.monotonic()
        yield
        if (seconds := time.monotonic() - start) >= _LONG:
            tell(f"{say(name)}{say(': ')}{_clock(seconds)}", err=True, as_it_is=True)

    def say(self, line: str) -> None:
        """Print one line."""
        tell(line, err=True)


class _PlainStage(Stage):
    def __init__(self, name: str, total: int | None, unit: str, seconds: float) -> None:
        self._name = name
        self._total = total
        self._unit = unit
        self._seconds = seconds
        self._start = self._said = time.monotonic()
        self._done = self._rejected = 0

    def update(self, done: int, rejected: int = 0) -> None:
        self._done, self._rejected = done, rejected
        now = time.monotonic()
        if now - self._said >= self._seconds:
            self._said = now
            tell(self._line(now - self._start), err=True, as_it_is=True)

    def finish(self) -> None:
        if self._done:
            seconds = time.monotonic() - self._start
            took = say(f" in {_clock(seconds)}")
            tell(f"{self._name}{say(': ')}{self._count()}{took}", err=True, as_it_is=True)

    def _line(self, seconds: float) -> str:
        rate = self._done / seconds if seconds else 0.0
        line = f"{self._name}{say(': ')}{self._count()}{say(f', {rate:.1f}/s')}"
        if self._total and rate:
            line += say(f", {_clock((self._total - self._done) / rate)} left")
        return line

    def _count(self) -> str:
        of = f"/{self._total}" if self._total else ""
        rejected = say(f", {self._rejected} rejected") if self._rejected else ""
        is_one = Numbers(spoken()).is_one(self._total or self._done)
        unit = self._unit.removesuffix("s") if is_one else self._unit  # French has that s, too
        return f"{self._done}{of} {unit}{rejected}"


def reporter(*, quiet: bool) -> Reporter:
    """Choose how to report: nothing when quiet, bars on a terminal, else plain lines.

    A notebook has bars where it has the library that moves them (ipywidgets).
    """
    if quiet:
        return Silent()
    from rich.console import Console

    from verger.progress.bars import Bars

    console = Console(stderr=True)
    has_bars = find_spec("ipywidgets") if console.is_jupyter else console.is_terminal
    return Bars(console) if has_bars else Plain()


def tell(text: object, *, err: bool = False, as_it_is: bool = False) -> None:
    """Print lines for a person, on standard output or error: whatever they quote is visible.

    They are said in the language of the command line; `as_it_is` what is no text of ours, or was
    put into that language before.
    """
    lines = str(text).split("\n")
    if not as_it_is:
        lines = [say(line) for line in lines]
    show("\n".join(map(visible, lines)), err=err)


def in_words(error: VergerError) -> str:
    """Return the line of an error, in the language of the command line."""
    what, hint = say(error.what), say(error.hint)
    stop = "." if hint and not what.endswith((".", "!", "?")) else ""
    return f"{what}{stop} {hint}".strip()


def check_line(check: Check) -> str:
    """Return the line of a check, in the language of the command line."""
    return f"{check.state:<4} {say(check.name):<9} {say(check.found)} {say(check.remedy)}".rstrip()


def show(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print a text as it is, such as JSON.

    Raises `VergerError` where standard output takes none. What standard error does not take is
    lost: no work ends for that.
    """
    try:
        click.echo(text, err=err, nl=nl)
    except BrokenPipeError:  # who read has heard enough; click ends for it
        raise
    except OSError as error:
        if err:
            return
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
        said = error.strerror or error
        raise VergerError(f"Standard output cannot be written: {said}.") from None


def _clock(seconds: float) -> str:
    """Write a duration as a person does: 8.4 s, 3 min 05 s, 2 h 10 min."""
    if round(seconds) < 60:
        return localized(f"{seconds:.1f} s") if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, left = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {left:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
