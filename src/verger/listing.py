"""Taking stock: the photos of PHOTOS, beside those that the STORE knows already."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from verger.buckets import Bucket
from verger.errors import PhotosError
from verger.inventory import OrderBook, Tally, compare, known_photos
from verger.layout import FEATURES, REJECTS
from verger.photos.objects import refs_of_objects
from verger.photos.source import EXTENSIONS, CsvLabels, Labeller, PhotoRef, list_photos
from verger.places import LocalPlace, Place
from verger.progress import Reporter
from verger.store import Store, Work


@dataclass(frozen=True, slots=True)
class Stock:
    """What there is and what has to be done.

    tally:    the counts
    features: the files of features that the STORE or a run that was stopped holds
    rejects:  their files of rejects
    edited:   the files among them in which something has to change
    """

    tally: Tally
    features: list[str]
    rejects: list[str]
    edited: set[str]


def take_stock(
    store: Store,
    work: Work,
    photos: Place,
    labeller: Labeller,
    reporter: Reporter,
    orders: tuple[Path, Path],
    *,
    anew: bool,
    retry_rejects: bool,
) -> Stock:
    """List the photos, and write to `orders` what has to be done: photos to embed, and edits.

    `anew` takes nothing from what the STORE holds. Raises `PhotosError` where there is no photo.
    """
    features, rejects = work.finished(FEATURES), work.finished(REJECTS)
    if not anew and store.record() is not None:
        features = store.table(FEATURES) + features
        rejects = store.table(REJECTS) + rejects
    known = known_photos(work.place, features, rejects)
    with reporter.stage("Listing", None, "photos") as stage, OrderBook(*orders) as book:
        tally = Tally()
        listed = list_place(photos, labeller)
        for tally in compare(listed, known, book, retry_rejects=retry_rejects):
            stage.update(tally.listed)
    if not tally.listed:
        raise PhotosError(
            f"No photo in {photos}.", hint=f"Looked for {' '.join(EXTENSIONS)} in any depth."
        )
    return Stock(tally, features, rejects, book.files)


def list_place(photos: Place, labeller: Labeller) -> Iterator[PhotoRef]:
    """List the photos of a place, in order of path."""
    if isinstance(photos, LocalPlace):
        return list_photos(photos.root, labeller)
    if isinstance(photos, Bucket):
        return refs_of_objects(photos.walk(), labeller, photos.exists)
    raise PhotosError(f"{photos} cannot be listed.")


def label_notes(label_from: str, tally: Tally, labeller: Labeller) -> list[str]:
    """Say which photos have no label, and which labels no photo."""
    notes = []
    if label_from != "none" and tally.unlabelled:
        notes.append(f"{tally.unlabelled} of {tally.listed} photos have no label.")
    if isinstance(labeller, CsvLabels) and labeller.unused:
        notes.append(f"{labeller.unused} rows of {label_from} name no photo that was found.")
    return notes
