"""Counting: nothing is missing or double, and not too much was rejected."""

from __future__ import annotations

from typing import Any

from verger.errors import CountError, PhotosError, TooManyRejects
from verger.pipeline.context import Job
from verger.store.inventory import edits_of
from verger.store.layout import REJECTS
from verger.store.parts import all_denied, merge_rejects
from verger.store.stock import Stock
from verger.texts.numbers import plural


def count(job: Job, photos: str, stock: Stock, embedded: int, rejects: str) -> dict[str, Any]:
    """Merge the rejects into one file, and count. Raises where the run must not go on."""
    place, work = job.place, job.work
    mine = (path for path in work.finished(REJECTS) if work.run in path)
    by_reason = merge_rejects(
        place,
        sorted({*stock.rejects, *mine}),
        rejects,
        lambda file: edits_of(place, work.edits, file),
    )
    rejected, listed = sum(by_reason.values()), stock.tally.listed
    if listed != embedded + rejected:
        place.delete(work.parts)  # nobody shall take up what is wrong
        raise CountError.of(listed, embedded, rejected)
    counts = {
        "listed": listed,
        "embedded": embedded,
        "rejected": rejected,
        "rejected_by_reason": by_reason,
    }
    if rejected / listed > job.settings.max_rejects:
        _fail(job, counts, photos, rejects)
    return counts


def _fail(job: Job, counts: dict[str, Any], photos: str, rejects: str) -> None:
    if not counts["embedded"] and all_denied(job.place, rejects):
        job.place.delete(job.work.parts)  # once they may be read, all are new
        raise PhotosError(
            f"No photo of {photos} can be read ({counts['listed']} listed): access denied.",
            hint="Reading needs a different permission from listing (on S3: s3:GetObject).",
        )
    where = job.store.keep_rejects(rejects)
    rejected, listed = counts["rejected"], counts["listed"]
    reasons = ", ".join(f"{n} {reason}" for reason, n in counts["rejected_by_reason"].items())
    raise TooManyRejects(
        f"{rejected} of {listed} photo{plural(listed)} {plural(rejected, 'was', 'were')} rejected "
        f"({reasons}), more than --max-rejects {job.settings.max_rejects:g} allows; no matrix was "
        "made.",
        hint=f"See {where}.",
    )
