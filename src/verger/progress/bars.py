"""Progress as bars, on a terminal or in a notebook: Rich draws them, which is slow to import."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from verger.errors import visible
from verger.progress import Reporter, Stage
from verger.texts.command import say

_FIRST_RATE = 1.0  # seconds before which a rate says nothing


class _TimeLeft(TimeRemainingColumn):
    """The time left, once there is a rate to reckon it by."""

    def render(self, task: Task) -> Text:
        return super().render(task) if task.fields["rate"] else Text("")


class Bars(Reporter):
    """A progress bar on the terminal, with a rate and the time left."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def stage(self, name: str, total: int | None, unit: str) -> Iterator[Stage]:
        """Open a stage that shows a bar."""
        progress = Progress(
            TextColumn("{task.description:<10}"),
            BarColumn(bar_width=28),
            TaskProgressColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            _TimeLeft(compact=True),
            TextColumn("[red]{task.fields[rejected]}"),
            console=self._console,
        )
        with progress:
            task = progress.add_task(say(name), total=total, rate="", rejected="")
            stage = _BarStage(progress, task, say(unit))
            yield stage
            stage.finish()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Open a step that shows how long it has been at work."""
        columns = TextColumn("{task.description:<10}"), SpinnerColumn("line"), TimeElapsedColumn()
        with Progress(*columns, console=self._console) as progress:
            task = progress.add_task(say(name), total=1)
            yield
            progress.update(task, completed=1)

    def say(self, line: str) -> None:
        """Print one line."""
        self._console.print(visible(say(line)), markup=False, highlight=False, soft_wrap=True)


class _BarStage(Stage):
    def __init__(self, progress: Progress, task: object, unit: str) -> None:
        self._progress = progress
        self._task = task
        self._unit = unit
        self._done = 0
        self._start = time.monotonic()

    def update(self, done: int, rejected: int = 0) -> None:
        self._done = done
        seconds = time.monotonic() - self._start
        has_rate = done and seconds > _FIRST_RATE
        rate = say(f"{done / seconds:.1f} {self._unit}/s") if has_rate else ""
        told = say(f"{rejected:d} rejected") if rejected else ""
        self._progress.update(self._task, completed=done, rate=rate, rejected=told)  # type: ignore[arg-type]

    def finish(self) -> None:
        self._progress.update(self._task, total=self._done, completed=self._done)  # type: ignore[arg-type]
