"""The names of what lies in a STORE."""

from __future__ import annotations

from verger.photos.references import STORE_MARK

FEATURES, REJECTS, MATRIX = "features", "rejects", "matrix"
PROJECTION, GALLERY, MATRIX_CSV, RECORD = "projection", "gallery", "matrix.csv", "run.json"
REPORT, PAGE = "report", "report.html"  # what a run's report is, and its page in that folder

# Below the folder that marks a STORE as one.
MARK = f"{STORE_MARK}/store.json"
LOCK = f"{STORE_MARK}/lock"
WORK = f"{STORE_MARK}/work"
DRAFTS = f"{WORK}/drafts"
JOURNAL = f"{STORE_MARK}/publish.json"
FAILED_REJECTS = f"{STORE_MARK}/failed-rejects.parquet"
