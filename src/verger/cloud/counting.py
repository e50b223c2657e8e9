"""How many photos a run would embed: counted before anything is spent, and nothing is opened."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from verger.cloud.bill import Workload
from verger.embed.card import views_of
from verger.errors import PhotosError, StoreError, UsageError
from verger.photos.labels import labeller_from
from verger.photos.references import EXTENSIONS, PhotoRef
from verger.progress import Reporter
from verger.storage.place import Place, list_place, place_of
from verger.store.inventory import Known, Tally, compare, known_photos
from verger.store.layout import FEATURES, REJECTS
from verger.store.store import Store

_UNCOUNTED = (
    "Without looking, and without an account: verger cloud plan --photos-count 10000 "
    "--photo-kb 100 (their number, and the mean size of one)."
)


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
    if source.scheme not in ("file", "s3"):
        raise UsageError(
            f"PHOTOS ({photos}) is neither a folder nor s3://: what runs on AWS reads S3.",
            hint="Copy the photos into a bucket.",
        )
    check_store(store)
    upload = source.folder is not None
    nothing: tuple[Iterator[Known], int, list[str]] = iter(()), 1, []
    rows, seen, notes = nothing if upload else _known(store)
    with reporter.stage("Listing", None, "photos") as stage:
        tally = _tally(source, rows, stage.update)
    if not tally.listed:
        raise PhotosError(
            f"No photo in {photos}.", hint=f"Looked for {' '.join(EXTENSIONS)} at any depth."
        )
    if not (tally.to_embed or tally.gone):
        notes.append(
            "No photo is new, changed or gone: except for labels and "
            "settings, a run would do nothing."
        )
    work = Workload(
        photos=tally.to_embed,
        size=tally.bytes_to_read,
        listed=tally.listed,
        upload=upload,
        csv=csv,
        views=views or seen,
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


def _known(store: str) -> tuple[Iterator[Known], int, list[str]]:
    """Return a STORE's rows and views, where it holds a whole run; a note, where it fails."""
    try:
        kept = Store(store)
        record = kept.record()
        if record is None:
            return iter(()), 1, []
        rows = known_photos(kept.place, kept.table(FEATURES), kept.table(REJECTS), set())
        return rows, len(views_of(record["backbone"])), []
    except (StoreError, OSError) as error:
        what = error.what if isinstance(error, StoreError) else str(error)
        return iter(()), 1, [f"STORE was not looked at, and counts as empty: {what}"]


def _tally(source: Place, rows: Iterator[Known], tell: Callable[[int], None]) -> Tally:
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
