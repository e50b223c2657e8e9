"""A presentation of a run: what the report found, as slides that can be edited.

One module a group of slides, in `pages/`; their words are in `texts/slides.toml`.
"""

from __future__ import annotations

import datetime as dt
import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

from verger.errors import StoreError, UsageError
from verger.gallery.calibration import Calibration
from verger.report.data import Report
from verger.report.data import build as build_report
from verger.slides.deck import Deck, made_by_verger
from verger.slides.pages import PAGES
from verger.slides.pdf import as_pdf, libreoffice
from verger.slides.subject import Subject
from verger.slides.text import clean, isolated
from verger.slides.words import Words
from verger.storage.place import Place, place_of
from verger.store.language import language_of
from verger.store.layout import GALLERY
from verger.store.store import Store
from verger.texts import LANGUAGES

__all__ = ["Written", "draw", "write_slides"]

FOLDER = "slides"  # of the STORE
_SUFFIX = ".pptx"
_MOST_CORE = 100_000  # bytes of a deck's description of itself


@dataclass(frozen=True, slots=True)
class Written:
    """Where the slides are; `pdf` is empty where there is none, and `note` says why."""

    pptx: str
    pdf: str = ""
    note: str = ""


def write_slides(
    store_root: str | Path,
    language: str | None = None,
    output: str | Path | None = None,
    *,
    author: str = "",
) -> Written:
    """Make slides of a STORE's run, and a PDF of them where LibreOffice is there.

    `language` is one of `texts.LANGUAGES`, or None for that in which STORE is shown; `author` is
    who presents, for the first slide. They go to `output`, a file that ends in .pptx, or to
    STORE/slides/slides-LANGUAGE.pptx. Slides that Verger wrote are replaced, each file whole or not
    at all. Raises `StoreError` where STORE has no finished run or where a file cannot be written;
    `UsageError` for another language, another ending, and where a file is there that Verger did not
    write or that was edited since.
    """
    if language not in (None, *LANGUAGES):
        raise UsageError(f"--language {language}: slides are in {' or '.join(LANGUAGES)}.")
    store = Store(store_root)
    language = language or language_of(store)
    place, path = _target(store, language, output)
    pdf_path = path.removesuffix(_SUFFIX) + ".pdf"
    try:
        _may_replace(place, path, pdf_path)
        deck = draw(build_report(store), store.place.name, language, _calibration(store), author)
        place.put(path, deck)
        program = libreoffice()
        pdf = as_pdf(program, deck) if program else None
        if pdf is not None:
            place.put(pdf_path, pdf)
        else:
            place.delete(pdf_path)  # it would show other slides than these
    except OSError as error:
        raise StoreError(f"Cannot write {place}/{path}: {error.strerror or error}.") from None
    if pdf is not None:
        return Written(f"{place}/{path}", f"{place}/{pdf_path}")
    why = "LibreOffice could not convert the slides" if program else "LibreOffice is not here"
    return Written(f"{place}/{path}", note=f"No PDF: {why}.")


def draw(
    report: Report,
    name: str,
    language: str,
    calibration: Calibration | None = None,
    author: str = "",
) -> bytes:
    """Return slides as a .pptx file. `name` is what the STORE is called, `author` who presents."""
    words = Words(language)
    about = Subject(report, words, name, calibration, author)
    title = words("deck.name", name=isolated(about.name))
    deck = Deck(title, language, _moment(str(report.record["finished"])), clean(author))
    for page in PAGES:
        page(deck, about)
    return deck.as_bytes()


def _moment(finished: str) -> dt.datetime:
    """Return when the run ended; where its record does not say, the first day of this era."""
    try:
        return dt.datetime.fromisoformat(finished).astimezone(dt.UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return dt.datetime(1970, 1, 1)


def _target(store: Store, language: str, output: str | Path | None) -> tuple[Place, str]:
    if output is None:
        return store.place, f"{FOLDER}/slides-{language}{_SUFFIX}"
    folder, _, file = str(output).rpartition("/")
    if not file.endswith(_SUFFIX) or file == _SUFFIX:
        raise UsageError(f"--output {output}: name a file that ends in {_SUFFIX}.")
    if str(output).startswith("/"):
        folder = folder or "/"
    return place_of(folder or ".", StoreError), file


def _may_replace(place: Place, path: str, pdf_path: str) -> None:
    """Raise `UsageError` where something is in the way that is not Verger's to replace."""
    hint = "Name another file with --output, or move it."
    if not place.exists(path):
        if place.exists(pdf_path):
            raise UsageError(f"{place}/{pdf_path} already exists.", hint=hint)
        return
    try:
        with (
            zipfile.ZipFile(io.BytesIO(place.read(path))) as deck,
            deck.open("docProps/core.xml") as core,
        ):
            ours = made_by_verger(core.read(_MOST_CORE))
    except (zipfile.BadZipFile, KeyError, ValueError, NotImplementedError, RuntimeError):
        ours = False
    if not ours:
        raise UsageError(
            f"{place}/{path} was edited since, or is not by `verger slides`.", hint=hint
        )


def _calibration(store: Store) -> Calibration | None:
    """Return the calibration of the STORE's gallery; None where it has none that can be read."""
    path = f"{GALLERY}/gallery.json"
    try:
        if not store.place.exists(path):
            return None
        return Calibration.parse(json.loads(store.place.read(path))["calibration"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
