"""What PCA does, shown by the photos of the run: each component from one end to the other."""

from __future__ import annotations

import numpy as np

from verger.slides.boxes import BODY, columns, rows
from verger.slides.deck import Deck
from verger.slides.subject import Subject
from verger.slides.text import Line

_AXES, _PHOTOS = 3, 7


def axes(deck: Deck, about: Subject) -> None:
    """The first components, each as photos from where it is lowest to where it is highest."""
    words, report = about.words, about.report
    shown = min(_AXES, report.pca.k)
    if not shown or len(report.sample.rows) < _PHOTOS:
        return
    values = {
        "features": words.number(about.features),
        "photos": words.count(about.photos, "photo"),
        "k": words.number(report.pca.k),
        "rank": words.number(report.pca.rank),
        "kept": words.percent(float(report.record["projection"]["explained_variance"])),
    }
    page = deck.page(words("axes.title", **values), words("axes.notes", **values))
    left, right = BODY.beside(3.9, 0.45)
    steps: list[Line] = []
    for step in ("centre", "turn", "keep"):
        steps += [
            Line(words(f"axes.{step}"), 17, bold=True, colour="accent", before=10 if steps else 0),
            Line(words(f"axes.{step}_text", **values), 15, before=2),
        ]
    page.card(left, steps, anchor="middle", margin=0.22)
    placed = report.pca.transform(report.sample.features)
    strips = rows(right._replace(height=right.height * shown / _AXES), shown, 0.16)
    for at, strip in enumerate(strips):
        share = words.percent(float(report.spectrum.ratios[at]))
        head, room = strip.above(0.3, 0.06)
        told = words("axes.component", n=words.number(at + 1), share=share)
        page.text(head, [Line(told, 14, bold=True)])
        middle = head.top + 0.15
        page.arrow((head.left + 4.0, middle), (head.right, middle))
        order = np.argsort(placed[:, at], kind="stable")
        chosen = order[np.linspace(0, len(order) - 1, _PHOTOS).round().astype(int)]
        for box, row in zip(columns(room, _PHOTOS, 0.1), chosen.tolist(), strict=True):
            about.show(page, box, row)
