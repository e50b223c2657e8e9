"""The few lines that end a run, made from its record."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from verger.errors import visible
from verger.photos.address import Address
from verger.photos.reasons import Reason
from verger.store.layout import (
    FEATURES,
    GALLERY,
    MATRIX,
    MATRIX_CSV,
    PAGE,
    PROJECTION,
    RECORD,
    REJECTS,
    REPORT,
)
from verger.texts.command import say
from verger.texts.numbers import plural

if TYPE_CHECKING:
    from verger.store.inventory import Tally


# What comparing found, each photo once; `reused` and `resumed` say how some of them were had.
_FOUND = ("new", "changed", "retried", "kept", "relabelled", "gone")


def summary(
    record: Mapping[str, Any], store: str, *, has_report: bool = False, photo: str = "PHOTO.jpg"
) -> str:
    """Write what was done, where it is, and what to do next; a line, where there was nothing.

    `photo` is the one that the next command names.
    """
    if found_nothing(record):
        counts = record["counts"]
        rejects = f" ({counts['rejected']:,} of them rejected)" if counts["rejected"] else ""
        listed = counts["listed"]
        nothing = f"Up to date: nothing new among {listed:,} photo{plural(listed)}{rejects}."
        return "\n".join(map(visible, [nothing, *(f"Note: {note}" for note in record["notes"])]))
    lines = ["", *_done(record), "", f"In {store}:"]
    lines += [f"  {name:<12} {say(what)}" for name, what in _there(record, has_report) if what]
    looking = _looking(store) if has_report else []
    lines += ["", "Next:", *(f"  {line}" for line in [*looking, *_next(store, photo)])]
    return "\n".join(map(visible, lines))


def found_nothing(record: Mapping[str, Any]) -> bool:
    """Say whether what was done last is a run that found nothing to do."""
    reduced = str(record.get("reduced", {}).get("finished", ""))
    return set(record["seconds"]) == {"list"} and str(record.get("finished", "")) > reduced


def _done(record: Mapping[str, Any]) -> list[str]:
    """Say what was done, and what is to be noted."""
    from verger.embed.card import framing_of  # which `--help` need not load
    from verger.store.record import rate_of

    counts, projection = record["counts"], record["projection"]
    framing = framing_of(record["backbone"])
    name, took = record["backbone"]["name"], sum(record.get("reduced", record)["seconds"].values())
    by = f"{name} (views {framing})" if len(framing.views) > 1 else name
    if (rate := rate_of(record)) and "reduced" not in record:
        by = f"{by}, {rate:.1f} photos/s on {_machine(record)}"
    embedded, labels, k = counts["embedded"], record["labels"], projection["k"]
    lines = [
        f"{embedded:,} photo{plural(embedded)} of {labels:,} label{plural(labels)} embedded by "
        f"{by}; {took:.0f} s in all.",
        *([] if "reduced" in record else _growth(record.get("changes", {}))),
    ]
    if counts["rejected"]:
        reasons = ", ".join(f"{n} {reason}" for reason, n in counts["rejected_by_reason"].items())
        passing = sum(counts["rejected_by_reason"].get(r.value, 0) for r in Reason if r.passes)
        again = f" The next run tries {passing:,} of them again." if passing else ""
        lines.append(f"{counts['rejected']:,} rejected: {reasons}.{again}")
    if k:
        held = " The projection is held from an earlier run." if projection.get("held") else ""
        lines.append(
            f"{k} component{plural(k)} {plural(k, 'keeps', 'keep')} "
            f"{projection['explained_variance']:.1%} of the variance of "
            f"{record['backbone']['features']} features (rank {projection['rank']}).{held}"
        )
    if cost := record.get("cost"):
        lines.append(
            f"It cost {cost['amount']:.2f} {cost['currency']} on {cost['where']}, by --price."
        )
    return lines + [f"Note: {note}" for note in [*record["notes"], *projection["notes"]]]


def _machine(record: Mapping[str, Any]) -> str:
    cores = f"{record['cores']:d} core{plural(record['cores'])}"
    return f"a GPU and {cores}" if record.get("device") == "cuda" else cores


def _there(record: Mapping[str, Any], has_report: bool) -> list[tuple[str, str]]:
    """Name what lies in a STORE, and say what it is; nothing of what is not there."""
    k = record["projection"]["k"]
    return [
        (f"{MATRIX}/", f"path, label, {k} component{plural(k)} (Parquet)"),
        (MATRIX_CSV, "the same as one CSV file" if record["settings"]["csv"] else ""),
        (f"{FEATURES}/", f"the {record['backbone']['features']} features, sizes and thumbnails"),
        (f"{REJECTS}/", "each photo that could not be used, with its reason"),
        (f"{PROJECTION}/", "the projections, to place new photos"),
        (f"{GALLERY}/", "the photos to compare new ones with"),
        (f"{REPORT}/", f"{PAGE}: look at it all in a browser" if has_report else ""),
        (RECORD, "settings, counts, versions, seconds"),
    ]


def _next(store: str, photo: str) -> list[str]:
    """Write the commands that a person may want now."""
    show = f"import pandas; print(pandas.read_parquet({f'{store}/{MATRIX}'!r}))"
    verger = _beside("verger")
    return [
        f"{_beside('python')} -c {_quoted(show)}",
        f"{verger} identify {shlex.quote(store)} {shlex.quote(photo)}",
        f"{verger} reduce {shlex.quote(store)} --components 50",
    ]


def planned(tally: Tally) -> str:
    """Say what a run would do."""
    changes, alike = tally.as_record(), []
    if tally.alike:
        alike = [
            f"Of these, {tally.alike:,} {plural(tally.alike, 'is', 'are')} the size of one "
            "embedded before, and not embedded again if the bytes are the same, too."
        ]
    done = ", ".join(f"{changes[name]:,} {name}" for name in _FOUND if changes[name])
    if tally.resumed:
        alike.append(_resumed(tally.resumed))
    lines = [
        f"{tally.listed:,} photo{plural(tally.listed)}: {done}.",
        f"A run would open {tally.to_embed:,} of them ({tally.bytes_to_read / 1e6:,.1f} MB).",
        *alike,
        *tally.left_out,
    ]
    return "\n".join(map(visible, lines))


def opening(notebook: Path) -> str:
    """Say how a notebook is opened, with a command that works as it stands."""
    name = shlex.quote(str(notebook))
    if notebook.suffix != ".ipynb":
        lines = [f"Next: {_beside('python')} {name}", "Or open it in an editor."]
        return "\n".join(lines)
    lab, python = _beside("jupyter-lab"), _beside("python")
    if lab == "jupyter-lab" and shutil.which(lab) is None:
        lab = f"{python} -m pip install jupyterlab && {python} -m jupyterlab"
    return "\n".join([f"Next: {lab} {name}", "Or open it in an editor that supports Jupyter."])


def _looking(store: str) -> list[str]:
    """Write the command that opens a report; none for one that lies in a bucket."""
    folder = Address.of(store).file
    if folder is None:
        return []
    page = folder / REPORT / PAGE
    if sys.platform == "darwin":
        return [f"open {shlex.quote(str(page))}"]
    has_display = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    if has_display and shutil.which("xdg-open"):
        return [f"xdg-open {shlex.quote(str(page))}"]
    return [f"{_beside('python')} -m webbrowser -t {shlex.quote(page.absolute().as_uri())}"]


def _growth(changes: Mapping[str, int]) -> list[str]:
    """Say what a run found changed since the last one; nothing after the first."""
    if not any(changes.get(name) for name in changes if name != "new"):
        return []
    lines = [", ".join(f"{changes[name]:,} {name}" for name in changes if name in _FOUND) + "."]
    if resumed := changes.get("resumed"):
        lines.append(_resumed(resumed))
    if reused := changes.get("reused"):
        lines.append(
            f"{reused:,} photo{plural(reused)} {plural(reused, 'has', 'have')} the bytes of one "
            "embedded before (moved, copied, touched): reused."
        )
    return lines


def _resumed(photos: int) -> str:
    """Say how many of the photos kept are in no published table yet."""
    return (
        f"Of those kept, {photos:,} {plural(photos, 'was', 'were')} embedded by a run that was "
        "stopped."
    )


def _beside(command: str) -> str:
    """Name a command as it can be typed here: bare if it is on the PATH, else where it lies."""
    ours = Path(sys.executable).parent / command
    if shutil.which(command) == str(ours) or not ours.exists():
        return command
    return shlex.quote(os.path.relpath(ours) if ours.is_relative_to(Path.cwd()) else str(ours))


def _quoted(text: str) -> str:
    """Quote for a shell; in double quotes where that is safe, as a person would."""
    return shlex.quote(text) if re.search(r'[\\"$`!]', text) else f'"{text}"'
