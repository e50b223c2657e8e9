"""The report of a run: data first (`build`), then tables (`findings`), then a page (`render`)."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from verger.errors import StoreError
from verger.report import drift, positions
from verger.report.build import build as build_report
from verger.report.build import whole_run
from verger.report.findings import write_findings
from verger.report.render import render as render_page
from verger.store import Store

FOLDER, PAGE = "report", "report.html"


def write_report(store_root: Path, map_kind: str = positions.PCA_MAP) -> Path:
    """Look at a STORE's run and write STORE/report/: the page, its tables, the next baseline.

    `map_kind` is one of `positions.MAPS`. What an earlier report left is replaced when all is
    written. Returns the path of the page. Raises `StoreError` where STORE holds no whole run or
    cannot be written, and `UsageError` where the neighbour map's library is missing.
    """
    store = Store(store_root)
    whole_run(store)
    if map_kind == positions.NEIGHBOUR_MAP:
        positions.need_neighbour_map()
    report = build_report(store, map_kind)
    name = store.root.absolute().name
    try:
        new = Path(tempfile.mkdtemp(prefix="report-", dir=store.mark))
        try:
            write_findings(report, store, new)
            drift.save_summaries(new, report.summary, report.previous)
            (new / PAGE).write_text(render_page(report, name), encoding="utf-8")
            _swap(new, store.path(FOLDER))
        finally:
            shutil.rmtree(new, ignore_errors=True)
    except OSError as error:
        raise StoreError(f"Cannot write {store.path(FOLDER)}: {error.strerror or error}.") from None
    return store.path(FOLDER) / PAGE


def _swap(new: Path, final: Path) -> None:
    """Put a folder in the place of another."""
    new.chmod(0o755)  # temporary folders are for their owner alone
    old = new.with_name(new.name + "-old")
    if final.exists():
        final.rename(old)
    new.rename(final)
    shutil.rmtree(old, ignore_errors=True)
