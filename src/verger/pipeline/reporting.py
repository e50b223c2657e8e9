"""Reporting: a look at what was published; a run is whole without it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from verger.errors import VergerError
from verger.progress import Reporter
from verger.projections.pca import PCA
from verger.settings import RunSettings
from verger.store.gathering import Gathered
from verger.store.layout import PAGE, REPORT
from verger.store.store import Store
from verger.tasks.engine import Engine, ThisProcess


@contextmanager
def getting_ready(settings: RunSettings, engine: Engine) -> Iterator[None]:
    """Load what a report needs meanwhile, where one is asked for: it takes half a second.

    Not beside Spark, which holds memory that is free when the report is made.
    """
    with ThreadPoolExecutor(1) as beside:
        if settings.report and isinstance(engine, ThisProcess):
            beside.submit(_load, settings.language)  # what fails will fail again when it is needed
        yield


def _load(language: str | None) -> None:
    from verger.knowledge.naming import group_of
    from verger.report.html import template

    template(str(language))
    group_of("")  # reads what names mean


def report(
    store: Store,
    settings: RunSettings,
    reporter: Reporter,
    gathered: Gathered | None = None,
    full_pca: PCA | None = None,
    *,
    anew: bool,
) -> dict[str, str]:
    """Look at what was published, where that is asked for; return where the page is, or why not.

    What is there already is made again where `anew` says that something has changed.
    """
    if not settings.report:
        return {}
    page = f"{store.place}/{REPORT}/{PAGE}"
    if not anew and store.place.exists(f"{REPORT}/{PAGE}"):
        return {"report": page}
    try:
        from verger.report import write_report  # which a run without one need not load

        with reporter.step("Report"):
            write_report(
                store.root, language=settings.language, gathered=gathered, full_pca=full_pca
            )
    except Exception as error:  # noqa: BLE001 - whatever it was, the run is done
        what = error.what if isinstance(error, VergerError) else f"{type(error).__name__}: {error}"
        line = (what.splitlines() or [""])[0]
        return {"warning": f"The run is done, but there is no report of it. {line}"}
    return {"report": page}
