"""`verger relabel`: people's corrections of labels. No logic."""

from __future__ import annotations

import json
import typing

import click

from verger.cli.stopping import ends_soon
from verger.errors import UsageError
from verger.progress import reporter, show, tell
from verger.texts.command import say

if typing.TYPE_CHECKING:
    from verger.pipeline.relabelling import Relabelling

_SHOWN = 20


@click.command("relabel")
@click.argument("store")
@click.argument("labels", required=False, type=click.Path(exists=True, dir_okay=False))
@click.option("--undo", is_flag=True, help="Undo the corrections of the last file.")
@click.option("--new-labels", is_flag=True, help="Allow labels that STORE does not have yet.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON, on stdout.")
@click.option("--quiet", is_flag=True, help="Print errors only.")
def relabel_command(
    store: str,
    labels: str | None,
    undo: bool,
    new_labels: bool,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Correct labels of single photos, from a CSV file.

    Its columns are path and label, and optionally decision: 'label' (or nothing), 'leave out' for
    what is not a fruit, 'fine' for a suspect whose label is right: the report no longer lists it.
    The file is checked first: every path must be in STORE, and every label, unless --new-labels.

    No photo is opened. Matrix, projection, gallery and report are rebuilt, and the next
    `verger run` keeps the corrections, also for photos that were renamed.
    """
    from verger.pipeline import relabel
    from verger.pipeline.relabelling import corrected
    from verger.store.store import Store

    if (labels is None) != undo:
        raise UsageError("Give either a file of labels or --undo.")
    if dry_run:
        made = corrected(Store(store), labels, new_labels=new_labels)
    else:
        with ends_soon():
            made, outcome = relabel(store, labels, reporter(quiet=quiet), new_labels=new_labels)
        if outcome and outcome.warning:
            tell(f"verger: {outcome.warning}", err=True)
    if as_json:
        show(json.dumps(made.as_json(), indent=2))
    elif not quiet:
        tell("\n".join(_told(made, dry_run=dry_run)), as_it_is=True)


def _told(made: Relabelling, *, dry_run: bool) -> list[str]:
    """Return the lines to print, in the language of the command line, but labels as they are."""
    given = ((path, before or "-", after or "-") for path, before, after in made.labels)
    lines = [f"{path}{say(': ')}{before} → {after}" for path, before, after in given]
    lines += [say(f"{path}: left out") for path in made.left_out]
    lines += [say(f"{path}: opened again by the next run") for path in made.back]
    lines += [say(f"{path}: fine as it is") for path in made.fine]
    if len(lines) > _SHOWN:
        lines = [*lines[:_SHOWN], say(f"… and {len(lines) - _SHOWN:,} more")]
    counts = {
        f"{len(made.labels):,} relabelled": made.labels,
        f"{len(made.left_out):,} left out": made.left_out,
        f"{len(made.back):,} to be opened by the next `verger run`": made.back,
        f"{len(made.doubted):,} no longer marked as fine": made.doubted,
        f"{len(made.fine):,} fine as is": made.fine,
        f"{made.as_before:,} already as asked": made.as_before,
    }
    said = ", ".join(what for what, there in counts.items() if there)
    if made.is_nothing:
        return [say(f"Nothing to do: {said}." if said else "Nothing to do.")]
    return [*lines, say(f"{said}. Nothing was changed (--dry-run)." if dry_run else f"{said}.")]
