"""Listing PHOTOS into the STORE's work folder, a group of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from verger.errors import PhotosError
from verger.photos.source import EXTENSIONS, CsvLabels, Labeller, PhotoRef, list_photos
from verger.progress import Reporter
from verger.store import Work, refs_schema

_ROWS_A_GROUP = 1024


@dataclass
class Listing:
    """What was listed: counts, and the labels met."""

    photos: int = 0
    bytes: int = 0
    unlabelled: int = 0
    labels: set[str] = field(default_factory=set)

    def add(self, ref: PhotoRef) -> None:
        """Count one photo."""
        self.photos += 1
        self.bytes += ref.bytes
        if ref.label is None:
            self.unlabelled += 1
        else:
            self.labels.add(ref.label)


def list_into(work: Work, photos: Path, labeller: Labeller, reporter: Reporter) -> Listing:
    """Write a reference for each photo to `work.refs`. Raises `PhotosError` where there is none."""
    listing, schema = Listing(), refs_schema()
    refs = list_photos(photos, labeller)
    with (
        reporter.stage("Listing", None, "photos") as stage,
        pq.ParquetWriter(work.refs, schema) as out,
    ):
        while group := list(islice(refs, _ROWS_A_GROUP)):
            arrays = [
                pa.array(values, field.type)
                for values, field in zip(zip(*group, strict=True), schema, strict=True)
            ]
            out.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
            for ref in group:
                listing.add(ref)
            stage.update(listing.photos)
    if not listing.photos:
        raise PhotosError(
            f"No photo in {photos}.", hint=f"Looked for {' '.join(EXTENSIONS)} in any depth."
        )
    return listing


def sizes(work: Work) -> Iterator[int]:
    """Read back the sizes of the listed photos in bytes, in order."""
    with pq.ParquetFile(work.refs) as refs:
        for batch in refs.iter_batches(columns=["bytes"]):
            yield from batch.column(0).to_pylist()


def label_notes(label_from: str, listing: Listing, labeller: Labeller) -> list[str]:
    """Say which photos have no label, and which labels no photo."""
    notes = []
    if label_from != "none" and listing.unlabelled:
        notes.append(f"{listing.unlabelled} of {listing.photos} photos have no label.")
    if isinstance(labeller, CsvLabels) and labeller.unused:
        notes.append(f"{labeller.unused} rows of {label_from} name no photo that was found.")
    return notes
