"""`verger log`, `checkout` and `export`: the runs of a STORE, and their matrices. No logic."""

from __future__ import annotations

import json
import typing
from collections.abc import Sequence

import click

from verger.errors import UsageError
from verger.progress import reporter, show, tell
from verger.texts.command import localized, say
from verger.texts.numbers import plural

if typing.TYPE_CHECKING:
    from verger.store.log import Logged

_HEAD = (
    "run", "ended (UTC)", "photos", "rejected", "k", "variance", "drift", "kept", "what changed",
)  # fmt: skip
_LEFT = {"ended (UTC)", "drift", "kept", "what changed"}
_NONE = "-"


@click.command("log")
@click.argument("store")
@click.option("--last", type=click.IntRange(1), metavar="N", help="Only the last N runs.")
@click.option("--json", "as_json", is_flag=True, help="Print the runs as JSON, on stdout.")
def log_command(store: str, last: int | None, as_json: bool) -> None:
    """List the runs of STORE, latest first.

    One line per run: its number, its end, the photos in its matrix and those rejected, the number
    of components (k) and the share of variance that they keep, the drift of its new photos as its
    report found it, whether `verger checkout` can still write its matrix, and what changed: photos,
    settings, and 'projection held' if it kept an earlier run's projection (--refit).

    Drift is first, none, small or clear; 'unchanged' without new photos, 'other backbone' after a
    change of network, '-' for a run without a report. Runs that found nothing new are not listed.
    """
    from verger.store.log import OLDER, log
    from verger.store.store import Store

    runs = log(Store(store), last)
    if as_json:
        show(json.dumps([run.as_json() for run in runs], indent=2))
        return
    tell("\n".join(_table([[*map(say, _HEAD)], *map(_row, runs)])), as_it_is=True)
    if runs[0].run is None:
        tell(OLDER, err=True)


@click.command("checkout")
@click.argument("store")
@click.argument("run", required=False, type=click.IntRange(1))
@click.option(
    "--as-of",
    metavar="DATE",
    help="The last run finished by then: 2026-11-28 (all of that day), or 2026-11-28T06:00; "
    "in UTC unless it says otherwise.",
)
@click.option(
    "--output",
    required=True,
    metavar="FOLDER",
    help="Where to write it: a new folder, or an empty one.",
)
@click.option("--quiet", is_flag=True, help="Show no progress.")
def checkout_command(
    store: str, run: int | None, as_of: str | None, output: str, quiet: bool
) -> None:
    """Write the matrix of an earlier run into a folder.

    RUN is its number in `verger log`. It writes matrix/ and projection/, checked against their
    checksums, and finally run.json, the record of that run. Nothing in STORE is changed. How many
    runs can be written is set by --keep of `verger run` and `verger reduce`.
    """
    from verger.store.checkout import checkout, moment
    from verger.store.store import Store

    if (run is None) == (as_of is None):
        raise UsageError("Name a run either by its number or by --as-of.")
    when = None if as_of is None else moment(as_of)
    made = checkout(Store(store), output, run, when, reporter(quiet=quiet))
    what = "The run" if made.run is None else f"Run {made.run:d}"
    size = f"{made.files:,} files, {made.bytes / 1e6:,.1f} MB"
    tell(f"{what} that ended {made.finished}: its matrix and projection ({size}) are in {output}.")


@click.command("export")
@click.argument("store")
@click.option(
    "--csv",
    "file",
    required=True,
    is_flag=False,
    flag_value="matrix.csv",
    metavar="[FILE]",
    help="Write the matrix as one CSV file: FILE, which must not exist yet, or ./matrix.csv.",
)
@click.option("--quiet", is_flag=True, help="Print errors only.")
def export_command(store: str, file: str, quiet: bool) -> None:
    """Write the matrix to a file of another format.

    The same file as a run's matrix.csv, for a STORE whose runs are made with --no-csv to save time
    and space. Nothing in STORE is changed.
    """
    from verger.store.matrix_csv import export_csv
    from verger.store.store import Store

    rows = export_csv(Store(store), file, reporter(quiet=quiet))
    if not quiet:
        tell(f"{file}: {rows:,} row{plural(rows)}.")


def _row(run: Logged) -> tuple[str, ...]:
    from verger.store.record import as_option

    changes = [say(f"{n:,} {name}") for name, n in run.changes.items() if n and name != "kept"]
    changes += map(as_option, run.settings, run.settings.values())
    fitted = say("projection held") if run.held else ""
    if run.reduced:
        changes.insert(0, say("reduced again" if run.held else "fitted again by verger reduce"))
    what = ", ".join(filter(None, [*changes, fitted]))
    return (
        str(run.run or _NONE), run.finished[:19].replace("T", " "), localized(f"{run.photos:,}"),
        localized(f"{run.rejected:,}"), str(run.k), localized(f"{run.variance:.1%}"),
        say((run.drift or _NONE).replace("_", " ")), say("yes") if run.kept else _NONE,
        what or _NONE,
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
