"""What it cannot do, and what comes next: both from what was found."""

from __future__ import annotations

import numpy as np

from verger.report.data import FEW_PHOTOS
from verger.slides.boxes import BODY, rows
from verger.slides.deck import Deck
from verger.slides.subject import Subject
from verger.slides.text import Line, height

_FEWEST, _MOST = 3, 5  # cards that share a slide
_Found = dict[str, dict[str, str]]  # texts by their names, and what is put into each


def limits(deck: Deck, about: Subject) -> None:
    """The limits of this run, the weightiest first."""
    words, report, record = about.words, about.report, about.record
    found: _Found = {"labels" if report.separation is None else "optimism": {}}
    found["backbone"] = {"backbone": str(record["backbone"]["name"])[:40]}
    if report.upscaled:
        photos, size = words.count(report.upscaled, "photo"), words.number(report.closest)
        found["small"] = {"photos": photos, "size": size}
    if (few := int((report.counts < FEW_PHOTOS).sum())) and report.separation is not None:
        found["few"] = {"labels": words.count(few, "label"), "few": words.number(FEW_PHOTOS)}
    if len(report.sample.rows) < about.photos:
        looked = words.count(len(report.sample.rows), "photo")
        found["sample"] = {"looked": looked, "photos": words.number(about.photos)}
    found["variance"] = {}
    found["speed"] = {"cores": words.count(int(record["cores"]), "core")}
    _list(deck, about, "limits", found)


def outlook(deck: Deck, about: Subject) -> None:
    """What to do next, from what was found."""
    words, report = about.words, about.report
    found: _Found = {} if report.separation is not None else {"labels": {}}
    if wrong := len(report.mislabels.rows):
        found["mislabelled"] = {"photos": words.count(wrong, "photo")}
    if extra := report.duplicates.extra:
        found["duplicates"] = {"photos": words.count(extra, "photo")}
    if report.separation is not None:
        if report.separation.confusions and report.separation.confusions[0].share >= 0.05:
            worst = report.separation.confusions[0]
            first, second = about.quoted(worst.label), about.quoted(worst.named)
            found["pair"] = {"first": first, "second": second}
        found["evaluate"] = {}
        if np.any(report.counts < FEW_PHOTOS):
            found["more"] = {"few": words.number(FEW_PHOTOS)}
    found |= {"serve": {}, "scale": {}}
    _list(deck, about, "next", found)


def _list(deck: Deck, about: Subject, section: str, found: _Found) -> None:
    words = about.words
    page = deck.page(words(f"{section}.title"), words(f"{section}.notes"))
    many = min(max(len(found), _FEWEST), _MOST)
    for box, (name, values) in zip(rows(BODY, many, 0.16), found.items(), strict=False):
        page.card(box)
        inner = box.inside(0.25, 0.08)
        text = Line(words(f"{section}.{name}_text", **values), 16)
        head, room = inner.beside(3.3, 0.2)
        # Both begin on the same line, in the middle of the card.
        high = min(height([text], room.width), inner.height)
        top = inner.top + (inner.height - high) / 2
        title = Line(words(f"{section}.{name}"), text.size, bold=True, colour="accent")
        page.text(head._replace(top=top, height=inner.bottom - top), [title])
        page.text(room._replace(top=top, height=inner.bottom - top), [text])
