"""The names of what lies in a STORE."""

from __future__ import annotations

from verger.photos.references import STORE_MARK

FEATURES, REJECTS, MATRIX = "features", "rejects", "matrix"
PROJECTION, GALLERY, MATRIX_CSV, RECORD = "projection", "gallery", "matrix.csv", "run.json"
CORRECTIONS = "corrections.parquet"  # the labels that people gave; see corrections.py
REPORT, PAGE = "report", "report.html"  # what a run's report is, and its page in that folder

# Below the folder that marks a STORE as one.
MARK = f"{STORE_MARK}/store.json"
LOCK = f"{STORE_MARK}/lock"
WORK = f"{STORE_MARK}/work"
DRAFTS = f"{WORK}/drafts"
JOURNAL = f"{STORE_MARK}/publish.json"
MOMENTS = f"{STORE_MARK}/moments"
HISTORY = f"{STORE_MARK}/history"
FAILED_REJECTS = f"{STORE_MARK}/failed-rejects.parquet"

# What a run publishes, beside its record.
TABLES = (FEATURES, REJECTS)  # what photos were made of; the rest is made of these
GIVEN = (*TABLES, CORRECTIONS)  # what nothing in STORE can make again
REDUCED = (MATRIX, MATRIX_CSV, PROJECTION, GALLERY)


def is_part(path: str) -> bool:
    """Say whether a path is that of a file which a run may publish; whoever wrote it."""
    return path in (MATRIX_CSV, CORRECTIONS) or (
        "/" in path and lies_in(path, {*TABLES, *REDUCED} - {MATRIX_CSV})
    )


def is_kept(path: str) -> bool:
    """Say whether a path is that of a file of the history; whoever wrote it."""
    return path.startswith(f"{HISTORY}/") and lies_in(path, {STORE_MARK})


def lies_in(path: str, tops: set[str]) -> bool:
    """Say whether a path leads into one of the folders or files `tops` of a STORE."""
    names = path.split("/")
    return names[0] in tops and not {"", ".", ".."}.intersection(names)
