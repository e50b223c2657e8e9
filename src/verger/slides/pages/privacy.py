"""Personal data: where the photos of the run were, what is kept of one, and how it is deleted."""

from __future__ import annotations

from verger.photos.address import WEB, Address
from verger.photos.decode import THUMBNAIL_SIDE
from verger.slides.boxes import BODY, columns
from verger.slides.deck import Deck
from verger.slides.subject import Subject
from verger.slides.text import Line, clean, on_one_line

_ROWS = ("photos", "compute", "store", "copies")
_CARDS = ("delete", "who")


def personal_data(deck: Deck, about: Subject) -> None:
    """What the GDPR asks: what lies where, until when, and who answers for it."""
    words = about.words
    page = deck.page(words("privacy.title"), words("privacy.notes"))
    upper, lower = BODY.above(3.3, 0.3)
    places = {
        "photos": _place(about, str(about.record.get("photos", ""))),
        "compute": _computed(about),
        "store": on_one_line(about.words("privacy.store_place", store=about.store), 13, 3.0),
        "copies": words("privacy.copies_place"),
    }
    side = words.number(THUMBNAIL_SIDE)
    table = [[words(f"privacy.{head}") for head in ("where", "what", "until")]]
    table += [
        [places[row], words(f"privacy.{row}_what", side=side), words(f"privacy.{row}_until")]
        for row in _ROWS
    ]
    page.table(upper, table, (3.3, 5.6, 3.2), size=13)
    for box, card in zip(columns(lower, len(_CARDS), 0.4), _CARDS, strict=True):
        lines = [
            Line(words(f"privacy.{card}"), 16, bold=True, colour="accent"),
            Line(words(f"privacy.{card}_text"), 14, before=3),
        ]
        page.card(box, lines, margin=0.22)


def _place(about: Subject, photos: str) -> str:
    """Say where PHOTOS lies by its kind and its name: a whole path may tell more than is wanted."""
    where = Address.of(photos)
    kind = "folder" if where.file else "web" if where.scheme in WEB else "bucket"
    name = about.name if kind == "folder" else clean(where.host)
    return on_one_line(about.words(f"privacy.{kind}", name=name), 13, 3.0)


def _computed(about: Subject) -> str:
    """Say on what the photos were opened."""
    return on_one_line(about.rented or about.words("privacy.machine"), 13, 3.0)
