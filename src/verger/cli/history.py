"""`verger log`: the runs of a STORE. No logic."""

from __future__ import annotations

import json
import typing
from collections.abc import Sequence

import click

from verger.progress import show, tell

if typing.TYPE_CHECKING:
    from verger.store.log import Logged

_HEAD = (
    "run", "ended (UTC)", "photos", "rejected", "k", "variance", "drift", "kept", "what changed",
)  # fmt: skip
_LEFT = {"ended (UTC)", "drift", "kept", "what changed"}
_NONE = "-"


@click.command("log")
@click.argument("store")
@click.option("--json", "as_json", is_flag=True, help="Print the runs as JSON, on stdout.")
def log_command(store: str, as_json: bool) -> None:
    """List the runs of STORE, the last one first.

    A line is a run: its number, when it ended, the photos of its matrix and how many were rejected,
    the components and the share of variance that they keep, what its report says of new photos
    (none, small or clear drift; the first run, and one without new photos or with another backbone,
    has nothing to compare), whether its matrix is kept (--keep of run and reduce), and what it
    found changed. A run that found nothing new is no run here.
    """
    from verger.store.log import OLDER, log
    from verger.store.store import Store

    runs = log(Store(store))
    if as_json:
        show(json.dumps([run.as_json() for run in runs], indent=2))
        return
    tell("\n".join(_table([_HEAD, *map(_row, runs)])))
    if runs[0].run is None:
        tell(OLDER, err=True)


def _row(run: Logged) -> tuple[str, ...]:
    changes = [f"{n:,} {name}" for name, n in run.changes.items() if n and name != "kept"]
    what = "fitted again by verger reduce" if run.reduced else ", ".join(changes)
    return (
        str(run.run or _NONE), run.finished[:16].replace("T", " "), f"{run.photos:,}",
        f"{run.rejected:,}", str(run.k), f"{run.variance:.2%}",
        (run.drift or _NONE).replace("_", " "), "yes" if run.kept else _NONE, what or _NONE,
    )  # fmt: skip


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lay rows out in columns: numbers to the right, words to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = zip(_HEAD, row, widths, strict=True)
        line = [c.ljust(width) if name in _LEFT else c.rjust(width) for name, c, width in cells]
        lines.append("  ".join(line).rstrip())
    return lines
