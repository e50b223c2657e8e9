"""How many photos a run would embed: counted before anything is spent, and nothing is opened."""

from __future__ import annotations

from collections.abc import Callable

from verger.cloud.bill import Workload
from verger.embed.card import views_of
from verger.errors import PhotosError, StoreError, UsageError
from verger.photos.labels import labeller_from
from verger.photos.references import EXTENSIONS, PhotoRef
from verger.progress import Reporter
from verger.storage.place import Place, place_of
from verger.store.inventory import Known, Tally, compare, known_photos
from verger.store.layout import FEATURES, REJECTS
from verger.store.stock import list_place
from verger.store.store import Store

_Tables = tuple[Place | None, list[str], list[str]]  # of features, and of rejects
_NONE: _Tables = (None, [], [])
_UNCOUNTED = "--photos-count N plans without looking."


def count(
    photos: str, store: str, reporter: Reporter, *, csv: bool, views: int | None = None
) -> tuple[Workload, list[str]]:
    """List PHOTOS, and lay it beside what STORE knows; return the workload, and notes.

    Photos of this machine count as new: S3 will have them with times of its own. A STORE that
    cannot be looked at counts as empty, and a note says so. The network sees `views` of a photo, or
    as many as in STORE. Raises `PhotosError` where PHOTOS
    cannot be listed or holds no photo, `UsageError` where a run on AWS could not use the places.
    """
    source = place_of(photos, PhotosError)
    notes: list[str] = []
    if source.scheme not in ("file", "s3"):
        raise UsageError(
            f"PHOTOS ({photos}) is neither a folder nor s3://: what runs on AWS reads S3.",
            hint="Copy the photos into a bucket.",
        )
    check_store(store)
    upload = source.folder is not None
    known = _NONE
    if not upload:
        known, seen, notes = _known(store)
        views = views or seen
    with reporter.stage("Listing", None, "photos") as stage:
        tally = _tally(source, known, stage.update)
    if not tally.listed:
        raise PhotosError(
            f"No photo in {photos}.", hint=f"Looked for {' '.join(EXTENSIONS)} in any depth."
        )
    if not (tally.to_embed or tally.gone):
        notes.append(
            "No photo is new, changed or gone: but for labels and settings, a run does nothing."
        )
    work = Workload(
        photos=tally.to_embed,
        size=tally.bytes_to_read,
        listed=tally.listed,
        upload=upload,
        csv=csv,
        views=views or 1,
    )
    return work, notes


def check_store(store: str) -> None:
    """Check that STORE is a place that a run on AWS can write to: `UsageError` if not."""
    place = place_of(store, StoreError)
    if place.scheme != "s3":
        raise UsageError(
            f"STORE ({store}) is not s3://: what runs on AWS cannot write to this machine.",
            hint="Write s3://bucket/folder.",
        )


def _known(store: str) -> tuple[_Tables, int, list[str]]:
    """Return a STORE's tables and views, where it holds a whole run; a note, where it fails."""
    try:
        kept = Store(store)
        record = kept.record()
        if record is None:
            return _NONE, 1, []
        tables = kept.place, kept.table(FEATURES), kept.table(REJECTS)
        return tables, len(views_of(record["backbone"])), []
    except (StoreError, OSError) as error:
        what = error.what if isinstance(error, StoreError) else str(error)
        return _NONE, 1, [f"STORE was not looked at, and counts as empty: {what}"]


def _tally(source: Place, known: _Tables, tell: Callable[[int], None]) -> Tally:
    place, features, rejects = known
    rows = iter(()) if place is None else known_photos(place, features, rejects, set())
    tally = Tally()
    try:
        listed = list_place(source, labeller_from("none", source.name))
        for tally in compare(listed, rows, _NoOrders(), retry_rejects=False):
            tell(tally.listed)
    except PhotosError as error:
        raise PhotosError(error.what, hint=f"{error.hint} {_UNCOUNTED}") from None
    return tally


class _NoOrders:
    """Has nothing done."""

    def embed(self, ref: PhotoRef) -> None:
        """Have a photo embedded."""

    def drop(self, row: Known) -> None:
        """Have a row taken out of its file."""

    def relabel(self, row: Known, label: str | None) -> None:
        """Have a row given another label."""
