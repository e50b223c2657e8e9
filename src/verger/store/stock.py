"""Taking stock: the photos of PHOTOS, beside those that the STORE knows already."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from verger.errors import PhotosError
from verger.photos.labels import Labeller
from verger.photos.references import EXTENSIONS
from verger.photos.selection import Selection
from verger.progress import Reporter
from verger.storage.place import Source, list_place
from verger.store.corrections import CorrectedLabels, Corrections, ticked_off, without_left_out
from verger.store.inventory import OrderBook, Tally, compare, known_photos
from verger.store.layout import FEATURES, GIVEN, RECORD, REJECTS
from verger.store.store import Store
from verger.store.work import Work

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Stock:
    """What there is and what has to be done.

    tally:    the counts
    features: the files of features that the STORE or a run that was stopped holds
    rejects:  their files of rejects
    edited:   the files among them in which something has to change, their format included
    awaited:  the paths of photos that were corrected, and are not there
    """

    tally: Tally
    features: list[str]
    rejects: list[str]
    edited: set[str]
    awaited: set[str]


def take_stock(
    store: Store,
    work: Work,
    photos: Source,
    labeller: Labeller,
    reporter: Reporter,
    orders: tuple[Path, Path],
    *,
    anew: bool,
    retry_rejects: bool,
    hidden: bool = False,
    corrections: Corrections | None = None,
) -> Stock:
    """List the photos, and write to `orders` what has to be done: photos to embed, and edits.

    `anew` takes nothing from what the STORE holds. `corrections` are those that it is to have, if
    they are not those that it has. Raises `PhotosError` where there is no photo,
    `UsageError` where a file of labels names none of them, or one with two labels.
    """
    features, rejects = work.finished(FEATURES), work.finished(REJECTS)
    if not anew and store.record() is not None:
        store.whole_run(GIVEN)
        features = store.table(FEATURES) + features
        rejects = store.table(REJECTS) + rejects
    elif not anew and store.table(FEATURES):
        store.warn(f"{RECORD} is gone: all photos are embedded again.")
    older: set[str] = set()
    known = known_photos(work.place, features, rejects, older)
    selection = Selection(hidden=hidden)
    corrections = corrections or Corrections.read(store.place)
    labeller = CorrectedLabels(labeller, corrections)
    awaited = {one.path for one in corrections.made}
    refs = ticked_off(list_place(photos, labeller, reporter, selection), awaited)
    listed = without_left_out(refs, corrections.left_out)
    comparing = "Listing" if photos.streams else "Comparing"
    with reporter.stage(comparing, None, "photos") as stage, OrderBook(*orders) as book:
        tally = Tally()
        for tally in compare(listed, known, book, retry_rejects=retry_rejects):
            stage.update(tally.listed)
    tally.left_out = selection.notes()
    tally.uncorrected = len(awaited) if tally.gone or anew else 0
    if not tally.listed:
        raise PhotosError(
            f"No photo in {photos}.", hint=f"Looked for {' '.join(EXTENSIONS)} at any depth."
        )
    labeller.check()
    return Stock(tally, features, rejects, book.files | older, awaited)


def label_notes(label_from: str, tally: Tally, labeller: Labeller) -> list[str]:
    """Say what was left out, which photos have no label, and which labels no photo."""
    notes = [*tally.left_out]
    if label_from != "none" and tally.unlabelled:
        have = "has" if tally.unlabelled == 1 else "have"
        notes.append(f"{tally.unlabelled} of {tally.listed} photos {have} no label.")
    if tally.by_path_alone:
        photos = "1 photo" if tally.by_path_alone == 1 else f"{tally.by_path_alone} photos"
        notes.append(
            f"Nothing but the URL is known of {photos}: the servers say no "
            "size, time or ETag, so that another photo at the same URL would not be noticed."
        )
    if tally.uncorrected:
        notes.append(
            "1 photo is gone that `verger relabel` corrected; its correction counts again if it "
            "comes back."
            if tally.uncorrected == 1
            else f"{tally.uncorrected} photos are gone that `verger relabel` corrected; their "
            "corrections count again if they come back."
        )
    looks: dict[str, list[str]] = {}
    for label in sorted(tally.labels):
        looks.setdefault(label.casefold(), []).append(label)
    alike = [" / ".join(map(repr, labels)) for labels in looks.values() if len(labels) > 1]
    if alike:
        more = f", and {len(alike) - _SHOWN} more" if len(alike) > _SHOWN else ""
        notes.append(f"Labels differ in case alone: {', '.join(alike[:_SHOWN])}{more}.")
    return notes + labeller.notes()
