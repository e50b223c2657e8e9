"""What it is about: the title, the problem, the data."""

from __future__ import annotations

import math

from verger.embed.card import framing_of
from verger.report.thumbnails import opened
from verger.slides import images
from verger.slides.boxes import BODY, HIGH, WIDE, Box, columns, rows
from verger.slides.deck import Deck
from verger.slides.subject import Subject
from verger.slides.text import Line, clean, isolated, on_one_line

_COLLAGE, _GRID = 4, (6, 3)
_TALLEST = 1.75  # a row of the grid


def title(deck: Deck, about: Subject) -> None:
    """The first slide: what became of how many photos."""
    words = about.words
    photos = words.count(about.photos, "photo")
    key = "title.title" if about.report.pca.k else "title.title_none"
    k = words.count(about.report.pca.k, "column")
    page = deck.page(words(key, photos=photos, k=k), words("title.notes"), opening=True)
    day = words.day(str(about.record["finished"]))
    name = isolated(on_one_line(about.name, 16, 4.0))
    subtitle = "subtitle_process" if about.record.get("engine") == "process" else "subtitle"
    lines = [
        Line(words(f"title.{subtitle}"), 20, colour="soft"),
        Line(f"{name} · {day}", 16, colour="accent", before=12),
    ]
    if author := clean(about.author):
        told = isolated(on_one_line(author, 16, 6.0, bold=True))
        lines.append(Line(told, 16, bold=True, before=6))
    page.text(Box(0.9, 4.1, 6.2, 2.0), lines)
    chosen = about.spread(_COLLAGE**2)
    many = math.isqrt(len(chosen)) or 1  # a side, so that the square is full
    square = Box(WIDE - 0.9 - 4.96, (HIGH - 4.96) / 2, 4.96, 4.96)
    boxes = [box for line in rows(square, many, 0.12) for box in columns(line, many, 0.12)]
    for box, row in zip(boxes, chosen, strict=False):
        image = opened(about.thumbnail(row))
        if image is not None:
            data = images.jpeg(images.central_square(image, 1))
            page.picture(box, data, words("picture.photo", label=about.label_of(row)))


def problem(deck: Deck, about: Subject) -> None:
    """Why photos have to become numbers, and what that must respect."""
    words = about.words
    page = deck.page(words("problem.title"), words("problem.notes"))
    framing = framing_of(about.record["backbone"])
    size, views = framing.size, len(framing.views)
    values = {
        "size": words.number(size),
        "pixels": words.number(3 * size * size),
        "views": words.number(views),
    }
    upper, lower = BODY.above(2.75, 0.45)
    for box, part in zip(columns(upper, 3), ("asked", "obstacles", "counts"), strict=True):
        lines = [
            Line(words(f"problem.{part}"), 18, bold=True, colour="accent"),
            Line(words(f"problem.{part}_text", **values), 17, before=6),
        ]
        page.card(box, lines, margin=0.25)
    figures = [
        (views * 3 * size * size, "problem.pixels" if views == 1 else "problem.pixels_views"),
        (about.features, "problem.features"),
        (about.report.pca.k, "problem.components"),
    ]
    boxes = columns(lower, 3, 0.9)
    page.tiles(boxes, [(words.number(n), words(what, **values)) for n, what in figures])
    page.arrows(boxes, 0.12)


def data(deck: Deck, about: Subject) -> None:
    """What the photos are, with some of them."""
    words, report = about.words, about.report
    names = len(report.photos.names)
    photos = words.count(about.photos, "photo")
    key = "data.title" if names else "data.title_unlabelled"
    page = deck.page(
        words(key, photos=photos, labels=words.count(names, "label")), words("data.notes")
    )
    left, room = BODY.beside(3.4)
    page.tiles(rows(left, 4, 0.18), _figures(about))
    chosen = about.spread(_GRID[0] * _GRID[1])
    across = min(_GRID[0], len(chosen)) or 1
    many = -(-len(chosen) // across) or 1
    room = room._replace(height=min(room.height, many * _TALLEST))
    lines = rows(room, many, 0.16)
    for at, line in enumerate(lines):
        some = chosen[at * across :]
        for box, row in zip(columns(line, across, 0.16), some, strict=False):
            about.show(page, box, row, about.label_of(row) if names else "")


def _figures(about: Subject) -> list[tuple[str, str]]:
    words, report, counts = about.words, about.report, about.record["counts"]
    figures = [
        (words.number(counts["embedded"]),
         words("data.of_listed", listed=words.number(counts["listed"]))),
        (words.number(len(report.counts)), words("data.labels")),
    ]  # fmt: skip
    if len(report.counts):
        low, high = int(report.counts.min()), int(report.counts.max())
        span = words.number(low)
        if low != high:
            span = words("data.span", low=span, high=words.number(high))
        figures.append((span, words("data.per_label")))
    else:
        figures.append(("–", words("data.per_label")))
    if report.formats:
        most = report.formats[0]
        form = on_one_line(most.extension.lstrip(".").upper(), 13, 0.9)
        size = f"{words.number(most.width)} × {words.number(most.height)}"
        figures.append((size, words("data.pixels", form=form)))
    else:
        figures.append(("–", words("data.pixels_none")))
    return figures
