"""Listing: what PHOTOS holds beside what STORE knows, and whether there is anything to do."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from verger.errors import PhotosError, StoreError
from verger.photos.labels import Labeller
from verger.pipeline.context import Job
from verger.settings import ALWAYS, OF_PROJECTION, RunSettings
from verger.storage.place import Source
from verger.store.corrections import Corrections, followed
from verger.store.inventory import Tally, refs_of
from verger.store.layout import CORRECTIONS, FEATURES
from verger.store.stock import Stock, take_stock
from verger.store.store import Store


def as_made(
    record: Mapping[str, Any], settings: RunSettings, left_out: Collection[str]
) -> RunSettings:
    """Take from a record those of the settings left out that decide what is made of features."""
    made, names = record["settings"], {*OF_PROJECTION, "refit"}.intersection(left_out)
    kinds = {name: type(getattr(settings, name)) for name in names}
    return replace(settings, **{n: made[n] for n in names if type(made.get(n)) is kinds[n]})


def listed(
    job: Job, source: Source, labeller: Labeller, corrections: Corrections | None = None
) -> Stock:
    """Take stock, and leave in the work folder what has to be done; see `take_stock`."""
    place, work, settings = job.place, job.work, job.settings
    with (
        job.clock.time("list"),
        place.incoming(work.refs) as refs,
        place.incoming(work.edits) as edits,
    ):
        return take_stock(
            job.store, work, source, labeller, job.reporter, (refs, edits),
            anew=settings.overwrite, retry_rejects=settings.retry_rejects, hidden=settings.hidden,
            corrections=corrections,
        )  # fmt: skip


def followed_listing(
    job: Job, source: Source, labeller: Labeller
) -> tuple[Stock, Corrections | None]:
    """Take stock, and once more where corrected photos have another path.

    Also returned are the corrections under their new paths; None where none has one. `--overwrite`
    goes on without those that are damaged, as nobody has a copy of them.
    """
    if job.settings.overwrite and _are_lost(job.store):
        return listed(job, source, labeller, Corrections()), Corrections()
    stock = listed(job, source, labeller)
    if not stock.awaited or not stock.tally.new:
        return stock, None
    there = Corrections.read(job.store.place)
    new = refs_of(job.place, job.work.refs, 0, sys.maxsize)
    moved = followed(there, stock.awaited, source, new)
    if moved == there:
        return stock, None
    return listed(job, source, labeller, moved), moved


def _are_lost(store: Store) -> bool:
    """Say whether corrections were damaged, and tell it."""
    try:
        record = store.record()
    except StoreError:  # which names no files
        return False
    damage = store.damage(record, [CORRECTIONS]) if record else []
    for where, what, _ in damage:
        store.warn(f"{where} {what}: all photos lose their corrections.")
    return bool(damage)


def is_up_to_date(record: dict[str, Any], tally: Tally, settings: RunSettings) -> bool:
    """Say whether a run would make what the STORE holds already."""
    share = record["counts"]["rejected"] / record["counts"]["listed"]
    return tally.is_same and share <= settings.max_rejects and _is_projected(record, settings)


def is_fitted(record: dict[str, Any], job: Job, features: list[str]) -> bool:
    """Say whether these files of features are those that the STORE's projection was fitted to."""
    return sorted(features) == sorted(job.store.table(FEATURES)) and _is_projected(
        record, job.settings
    )


def _is_projected(record: dict[str, Any], settings: RunSettings) -> bool:
    made = record["settings"]
    if settings.refit == ALWAYS and record["projection"].get("held"):
        return False
    return all(made[name] == getattr(settings, name) for name in OF_PROJECTION)


def refuse_nesting(photos: Source, store: Store) -> None:
    """Refuse photos inside a STORE: they would be lost when it is replaced."""
    if store.place.holds(photos) and store.is_marked():
        raise PhotosError(
            f"PHOTOS ({photos}) is inside STORE ({store.root}).", hint="Name another STORE."
        )
