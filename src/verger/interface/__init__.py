"""Verger from Python: runs, the tables of a STORE, names for new photos."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, overload

from verger.interface.opened import Store
from verger.interface.outcomes import Evaluation, Identification, Outcome, Photo, Plan
from verger.progress import reporter
from verger.settings import OF_PROJECTION, settings_from

__all__ = [
    "Evaluation",
    "Identification",
    "Outcome",
    "Photo",
    "Plan",
    "Store",
    "evaluate",
    "identify",
    "open_store",
    "plan",
    "reduce",
    "run",
]


def run(
    photos: str | Path, store: str | Path, *, progress: bool = True, **settings: Any
) -> Outcome:
    """Bring a STORE up to date with a folder of photos: the command `verger run`.

    photos, store: folders, or URLs such as `s3://bucket/folder`
    progress:      show bars on a terminal and in a notebook, and plain lines elsewhere
    settings:      any setting by its name, such as `components=50` or `label_from="none"`

    Only new or changed photos are embedded. Works in a thread, and in the Spark session of this
    process, if there is one. Raises `VergerError`; whatever is raised, STORE holds either the
    previous run or the new one, and what was embedded is kept for the next run.

    >>> outcome = verger.run("photos", "store", components=5, progress=False)
    >>> outcome.record["counts"]["embedded"]
    30
    >>> outcome.store.matrix().num_rows
    30
    """
    from verger.pipeline import run as run_

    made = run_(photos, store, settings_from(settings), reporter(quiet=not progress))
    return Outcome(open_store(store), made.record, made.report, made.warning)


def reduce(store: str | Path, *, progress: bool = True, **settings: Any) -> Outcome:
    """Fit the projections again to the features in a STORE: the command `verger reduce`.

    No photo is opened. Settings that you leave out stay as they are in STORE. Raises
    `VergerError`.

    >>> verger.reduce("store", components=3, progress=False).record["projection"]["k"]
    3
    """
    from verger.pipeline import reduce as reduce_

    left_out = {*OF_PROJECTION, "refit"}.difference(settings)
    made = reduce_(store, settings_from(settings), reporter(quiet=not progress), left_out=left_out)
    return Outcome(open_store(store), made.record, made.report, made.warning)


def plan(photos: str | Path, store: str | Path, *, progress: bool = False, **settings: Any) -> Plan:
    """Say what `run` would do, in photos; nothing is written and no photo is opened.

    Raises `VergerError`.

    >>> verger.plan("photos", "store")
    Plan(listed=30, new=0, changed=0, retried=0, kept=30, relabelled=0, gone=0)
    """
    from verger.pipeline import plan as plan_

    tally = plan_(photos, store, settings_from(settings), reporter(quiet=not progress))
    return Plan(
        tally.listed, tally.new, tally.changed, tally.retried, tally.kept, tally.relabelled,
        tally.gone,
    )  # fmt: skip


def open_store(store: str | Path) -> Store:
    """Open the finished run in a STORE, to read it and to name new photos with it.

    Raises `VergerError` if there is none, or if a file is missing or damaged.

    >>> store = verger.open_store("store")
    >>> store
    <verger.Store 'store': 30 photos of 5 labels, 3 components>
    >>> store.matrix().schema.names
    ['path', 'label', 'components']
    """
    return Store(store)


@overload
def identify(  # type: ignore[overload-overlap]  # text is an iterable of text, too
    store: str | Path, photos: Photo, *, together: Literal[False] = False
) -> Identification: ...
@overload
def identify(
    store: str | Path, photos: Iterable[Photo], *, together: Literal[True]
) -> Identification: ...
@overload
def identify(
    store: str | Path, photos: Iterable[Photo], *, together: Literal[False] = False
) -> list[Identification]: ...
def identify(
    store: str | Path, photos: Photo | Iterable[Photo], *, together: bool = False
) -> Identification | list[Identification]:
    """Open a STORE and say what fruit is in each photo: see `Store.identify`.

    To name photos repeatedly, open the STORE once, with `open_store`.

    >>> str(verger.identify("store", photo))
    'Banana'
    """
    return open_store(store)._identify(photos, together=together)


def evaluate(
    store: str | Path, photos: str | Path, *, label_from: str = "parent", progress: bool = True
) -> Evaluation:
    """Open a STORE and measure how well it names labelled photos: see `Store.evaluate`.

    >>> verger.evaluate("store", "photos", progress=False).photos
    30
    """
    return open_store(store).evaluate(photos, label_from=label_from, progress=progress)
