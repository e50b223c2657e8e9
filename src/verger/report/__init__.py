"""What a run found: one HTML page that opens offline, and tables of findings.

First the data (`data`), then tables (`findings`), then the page (`html`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from verger.errors import StoreError
from verger.machine.folders import scratch_folder
from verger.projections.pca import PCA
from verger.report import drift
from verger.report.data import build as build_report
from verger.report.findings import write_findings
from verger.report.html import render as render_page
from verger.report.html import template
from verger.store.gathering import Gathered
from verger.store.language import language_of
from verger.store.layout import PAGE, REPORT
from verger.store.log import note_drift
from verger.store.store import Store


def _originals(store: Store, record: Mapping[str, Any]) -> str | None:
    """Return where PHOTOS lies as seen from the page, where both are on this machine."""
    photos, folder = Path(str(record.get("photos", ""))), store.place.folder
    if folder is None or not photos.is_absolute() or not photos.is_dir():
        return None
    try:
        seen = os.path.relpath(photos, folder.resolve() / REPORT)
    except ValueError:  # another drive
        return None
    return quote(Path(seen).as_posix()) + "/"


def write_report(
    store_root: str | Path,
    map_kind: str | None = None,
    language: str | None = None,
    gathered: Gathered | None = None,
    full_pca: PCA | None = None,
) -> str:
    """Look at a STORE's run and write STORE/report/: the page, its tables, the next baseline.

    `map_kind` is one of `positions.MAPS`, or None to go on as the page that is there, if any (see
    `data.build`); `language` one of `texts.LANGUAGES`, or None for that which STORE is shown in;
    `gathered` is what the run took along, and `full_pca` all components of its photos, where it has
    just been. What an earlier report left is replaced file by file, each whole or not at all, the
    page last. Returns where the page is.
    Raises `StoreError` where STORE has no finished run or cannot be written.
    """
    store = Store(store_root)
    name, language = store.place.name, language or language_of(store)
    with ThreadPoolExecutor(1) as beside:
        beside.submit(template, language)  # which takes a while to compile
        report = build_report(store, map_kind, gathered, full_pca)
    try:
        with closing(report.pictures), scratch_folder() as folder:
            new = folder / REPORT
            new.mkdir()
            write_findings(report, store, new)
            page = render_page(report, name, language, _originals(store, report.record))
            report.measures.write(new)
            report.known.write(new)
            report.sheets.write(new)  # those that fitted the page
            drift.save_summaries(new, report.summary, report.previous)
            (new / PAGE).write_text(page, encoding="utf-8")
            for file in sorted(new.iterdir(), key=lambda file: (file.name == PAGE, file.name)):
                with store.place.incoming(f"{REPORT}/{file.name}") as local:
                    shutil.copyfile(file, local)
            kept = {f"{REPORT}/{file.name}" for file in new.iterdir()}
            for path in store.place.files(REPORT):
                if path not in kept:
                    store.place.delete(path)
            note_drift(store, report.record, report.drift.verdict)
    except OSError as error:
        what = error.strerror or error
        raise StoreError(f"Cannot write {store.place}/{REPORT}: {what}.") from None
    return f"{store.place}/{REPORT}/{PAGE}"
