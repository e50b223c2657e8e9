"""Is a STORE what its run left? Its files, its laws, and a sample of photos.

Nothing in the STORE is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from verger.errors import StoreError, VergerError
from verger.progress import Reporter, Silent
from verger.storage.place import source_of
from verger.store.defects import Finding, finding
from verger.store.layout import FEATURES, GALLERY, MATRIX, PROJECTION, RECORD, REJECTS
from verger.store.manifest import Files, altered, listed_in, missized
from verger.store.record_file import Record, is_as_written
from verger.store.store import Store
from verger.verify import laws
from verger.verify.kept import of_history
from verger.verify.sample import Sample

SAMPLE = 100


@dataclass
class Verified:
    """What was looked at, and what was found: nothing, where the STORE is sound.

    files, bytes:   whose checksums were compared
    photos:         rows of features, each projected again and compared with the matrix
    embedded_again: photos whose features were compared
    """

    files: int = 0
    bytes: int = 0
    photos: int = 0
    embedded_again: int = 0
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return what `verger verify --json` prints."""
        findings = [found._asdict() for found in self.findings]
        return {"sound": not findings, **vars(self), "findings": findings}


def verify(
    store_root: str | Path,
    photos: str | Path | None = None,
    sample: int = SAMPLE,
    reporter: Reporter | None = None,
) -> Verified:
    """Look at all of a STORE, and embed a sample of `photos` again where they are given.

    Raises `StoreError` where there is no whole run, or another one by the end, and `PhotosError`
    where PHOTOS cannot be listed or holds none of the sample.
    """
    reporter, store = reporter or Silent(), Store(store_root)
    source = source_of(photos) if photos else None
    record, made = store.run_as_it_is(), Verified()
    _look_at_files(store, record, made, reporter)
    kept = Sample(store, record, sample if source else 0)
    _look_at_laws(store, record, made, reporter, kept)
    if source is not None and kept.rows:
        made.findings += kept.embedded_again(source, reporter)
        made.embedded_again, made.notes = kept.compared, made.notes + kept.notes
    if made.findings and store.run_as_it_is() != record:
        raise StoreError(f"A run has published in {store.root} meanwhile.", hint="Verify again.")
    return made


def _look_at_files(store: Store, record: Record, made: Verified, reporter: Reporter) -> None:
    """Compare all files with what the record lists, and the record with its own seal."""
    place, files = store.place, listed_in(record)
    if not is_as_written(record):
        made.findings.append(finding(RECORD, "was changed since the run wrote it"))
    if not files:
        note = "An older Verger wrote this, without checksums. `verger reduce STORE` adds them."
        made.notes.append(note)
        return
    made.findings += of_history(store, record, files)
    wrong = missized(place, files)
    made.findings += wrong
    fit = {path: files[path] for path in files.keys() - {found.where for found in wrong}}
    made.findings += _altered(store, fit, reporter)
    made.files, made.bytes = len(files), sum(content.bytes for content in files.values())
    made.findings += [
        Finding(path, "is not a file that a run left", "Move it out of the STORE.")
        for table in (FEATURES, REJECTS, MATRIX)
        for path in place.files(table, ".parquet")
        if path not in files
    ]


def _altered(store: Store, files: Files, reporter: Reporter) -> list[Finding]:
    place, wrong = store.place, []
    with (
        ThreadPoolExecutor(place.reads_at_once) as threads,
        reporter.stage("Checksums", len(files), "files") as stage,
    ):
        found = threads.map(lambda path: altered(place, path, files[path]), sorted(files))
        for done, one in enumerate(found, 1):
            wrong += [one] if one else []
            stage.update(done)
    return wrong


def _look_at_laws(
    store: Store, record: Record, made: Verified, reporter: Reporter, kept: Sample
) -> None:
    """Look at what must hold between parts; of parts that are damaged, that is known already."""

    def rows() -> Iterator[Finding]:
        with reporter.stage("Matrix", record["counts"]["embedded"], "photos") as stage:

            def take(block: Any) -> None:
                kept.take(block)
                sums.take(block)
                made.photos += len(block)
                stage.update(made.photos)

            yield from laws.of_matrix(store, take, kept.columns)

    sums = laws.Sums()
    between: list[tuple[tuple[str, ...], Callable[[], Iterator[Finding]]]] = [
        ((FEATURES, REJECTS, MATRIX, RECORD), lambda: laws.of_counts(store, record)),
        ((FEATURES, REJECTS), lambda: laws.of_paths(store)),
        ((MATRIX, FEATURES, PROJECTION), rows),
        ((MATRIX, FEATURES, PROJECTION), lambda: laws.of_moments(store, sums)),
        ((GALLERY, FEATURES, PROJECTION), lambda: laws.of_gallery(store)),
    ]
    for parts, law in between:
        if not any(found.where.split("/")[0] in parts for found in made.findings):
            try:
                made.findings += law()
            except VergerError as error:
                what = f"cannot be compared: {error.what.rstrip('.')}"
                made.findings.append(Finding(f"{parts[0]}/", what, error.hint))
