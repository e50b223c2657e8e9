"""What it cannot do, and what comes next: both from what was found."""

from __future__ import annotations

import numpy as np

from verger.report.data import FEW_PHOTOS
from verger.slides.boxes import BODY, rows
from verger.slides.deck import Deck
from verger.slides.subject import Subject
from verger.slides.text import Line

_MOST = 5


def limits(deck: Deck, about: Subject) -> None:
    """The limits of this run, the weightiest first."""
    words, report, record = about.words, about.report, about.record
    found: list[tuple[str, dict[str, str]]] = []
    if report.separation is None:
        found.append(("labels", {}))
    else:
        found.append(("optimism", {}))
    found.append(("backbone", {"backbone": str(record["backbone"]["name"])[:40]}))
    if report.upscaled:
        found.append(
            (
                "small",
                {
                    "photos": words.count(report.upscaled, "photo"),
                    "size": words.number(report.closest),
                },
            )
        )
    if (few := int((report.counts < FEW_PHOTOS).sum())) and report.separation is not None:
        found.append(
            ("few", {"labels": words.count(few, "label"), "few": words.number(FEW_PHOTOS)})
        )
    if len(report.sample.rows) < about.photos:
        found.append(("sample", {"looked": words.count(len(report.sample.rows), "photo"),
                                 "photos": words.number(about.photos)}))  # fmt: skip
    found += [("variance", {}), ("speed", {"cores": words.count(int(record["cores"]), "core")})]
    _list(deck, about, "limits", found)


def outlook(deck: Deck, about: Subject) -> None:
    """What to do next, from what was found."""
    words, report = about.words, about.report
    found: list[tuple[str, dict[str, str]]] = []
    if report.separation is None:
        found.append(("labels", {}))
    if wrong := len(report.mislabels.rows):
        found.append(("mislabelled", {"photos": words.count(wrong, "photo")}))
    if extra := report.duplicates.extra:
        found.append(("duplicates", {"photos": words.count(extra, "photo")}))
    if report.separation is not None:
        if report.separation.pairs and report.separation.pairs[0].share >= 0.05:
            pair = report.separation.pairs[0]
            found.append(
                ("pair", {"first": about.quoted(pair.first), "second": about.quoted(pair.second)})
            )
        found.append(("evaluate", {}))
    if np.any(report.counts < FEW_PHOTOS) and report.separation is not None:
        found.append(("more", {"few": words.number(FEW_PHOTOS)}))
    found += [("serve", {}), ("scale", {})]
    _list(deck, about, "next", found)


def _list(
    deck: Deck, about: Subject, section: str, found: list[tuple[str, dict[str, str]]]
) -> None:
    words = about.words
    page = deck.page(words(f"{section}.title"), words(f"{section}.notes"))
    for box, (name, values) in zip(rows(BODY, _MOST, 0.16), found[:_MOST], strict=False):
        page.card(box)
        inner = box.inside(0.25, 0.08)
        head, text = inner.beside(3.3, 0.2)
        page.text(
            head, [Line(words(f"{section}.{name}"), 18, bold=True, colour="accent")],
            anchor="middle",
        )  # fmt: skip
        page.text(text, [Line(words(f"{section}.{name}_text", **values), 16)], anchor="middle")
