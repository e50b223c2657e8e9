"""The few lines that end a run, made from its record."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from verger.store import FEATURES, MATRIX, MATRIX_CSV, PROJECTION, RECORD, REJECTS


def summary(record: Mapping[str, Any], store: Path) -> str:
    """Write what was done, where it is, and what to do next."""
    counts, projection = record["counts"], record["projection"]
    took = sum(record.get("reduced", record)["seconds"].values())
    lines = [
        "",
        f"{counts['embedded']:,} photos of {record['labels']:,} labels embedded by "
        f"{record['backbone']['name']}, {record['photos_per_second']:.1f} photos/s on "
        f"{record['cores']} cores; {took:.0f} s in all.",
    ]
    if counts["rejected"]:
        reasons = ", ".join(f"{n} {reason}" for reason, n in counts["rejected_by_reason"].items())
        lines.append(f"{counts['rejected']:,} rejected: {reasons}.")
    if projection["k"]:
        lines.append(
            f"{projection['k']} components keep {projection['explained_variance']:.2%} of the "
            f"variance of {record['backbone']['features']} features (rank {projection['rank']})."
        )
    lines += [f"Note: {note}" for note in [*record["notes"], *projection["notes"]]]
    lines += ["", f"In {store}:"]
    has_csv = record["settings"]["csv"]
    for name, what in (
        (f"{MATRIX}/", f"path, label, {projection['k']} components (Parquet)"),
        (MATRIX_CSV, "the same as one CSV file" if has_csv else ""),
        (f"{FEATURES}/", f"the {record['backbone']['features']} features, sizes and thumbnails"),
        (f"{REJECTS}/", "each photo that could not be used, with its reason"),
        (f"{PROJECTION}/", "the projections, to place new photos"),
        (RECORD, "settings, counts, versions, seconds"),
    ):
        if what:
            lines.append(f"  {name:<12} {what}")
    table = f"{store}/{MATRIX}"
    show = f"import pandas; print(pandas.read_parquet({table!r}))"
    again = f"reduce {shlex.quote(str(store))} --components 50"
    lines += ["", "Next:"]
    lines += [f"  {_beside('python')} -c {_quoted(show)}", f"  {_beside('verger')} {again}"]
    return "\n".join(lines)


def _beside(command: str) -> str:
    """Name a command as it can be typed here: bare if it is on the PATH, else where it lies."""
    ours = Path(sys.executable).parent / command
    if shutil.which(command) == str(ours) or not ours.exists():
        return command
    return shlex.quote(os.path.relpath(ours) if ours.is_relative_to(Path.cwd()) else str(ours))


def _quoted(text: str) -> str:
    """Quote for a shell; in double quotes where that is safe, as a person would."""
    return shlex.quote(text) if re.search(r'[\\"$`!]', text) else f'"{text}"'
