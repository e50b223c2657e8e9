"""What it is about: the title, the problem, the data."""

from __future__ import annotations

from itertools import pairwise

from verger.slides import pictures
from verger.slides.deck import BODY, HIGH, WIDE, Box, Deck, columns, rows
from verger.slides.subject import Subject
from verger.slides.text import Line, isolated, on_one_line

_COLLAGE, _GRID = 4, (6, 3)


def title(deck: Deck, about: Subject) -> None:
    """The first slide: what became of how many photos."""
    words = about.words
    photos = words.count(about.photos, "photo")
    key = "title.title" if about.report.pca.k else "title.title_none"
    k = words.count(about.report.pca.k, "column")
    page = deck.page(words(key, photos=photos, k=k), words("title.notes"), opening=True)
    day = words.day(str(about.record["finished"]))
    page.text(
        Box(0.9, 4.1, 6.6, 1.6),
        [
            Line(words("title.subtitle"), 20, colour="soft"),
            Line(f"{isolated(on_one_line(about.name, 16, 4.0))} · {day}", 16, colour="accent",
                 before=12),
        ],
    )  # fmt: skip
    side, gap = 1.15, 0.12
    left = WIDE - 0.9 - _COLLAGE * side - (_COLLAGE - 1) * gap
    top = (HIGH - _COLLAGE * side - (_COLLAGE - 1) * gap) / 2
    for at, row in enumerate(about.spread(_COLLAGE**2)):
        down, across = divmod(at, _COLLAGE)
        image = pictures.opened(about.thumbnail(row))
        if image is not None:
            box = Box(left + across * (side + gap), top + down * (side + gap), side, side)
            data = pictures.jpeg(pictures.central_square(image, 1))
            page.picture(box, data, words("picture.photo", label=about.label_of(row)))


def problem(deck: Deck, about: Subject) -> None:
    """Why photos have to become numbers, and what that must respect."""
    words = about.words
    page = deck.page(words("problem.title"), words("problem.notes"))
    size = int(about.record["backbone"]["image_size"])
    values = {"size": words.number(size), "pixels": words.number(3 * size * size)}
    upper = Box(BODY.left, BODY.top, BODY.width, 2.75)
    for box, part in zip(columns(upper, 3), ("asked", "obstacles", "counts"), strict=True):
        lines = [
            Line(words(f"problem.{part}"), 18, bold=True, colour="accent"),
            Line(words(f"problem.{part}_text", **values), 17, before=6),
        ]
        page.card(box, lines, margin=0.25)
    lower = Box(BODY.left, upper.bottom + 0.45, BODY.width, BODY.bottom - upper.bottom - 0.45)
    figures = [
        (3 * size * size, "problem.pixels"),
        (about.features, "problem.features"),
        (about.report.pca.k, "problem.components"),
    ]
    boxes = columns(lower, 3, 0.9)
    for box, (figure, what) in zip(boxes, figures, strict=True):
        page.tile(box, words.number(figure), words(what, **values))
    for one, two in pairwise(boxes):
        middle = one.top + one.height / 2
        page.arrow((one.right + 0.12, middle), (two.left - 0.12, middle))


def data(deck: Deck, about: Subject) -> None:
    """What the photos are, with some of them."""
    words, report = about.words, about.report
    names = len(report.photos.names)
    photos = words.count(about.photos, "photo")
    key = "data.title" if names else "data.title_unlabelled"
    page = deck.page(
        words(key, photos=photos, labels=words.count(names, "label")), words("data.notes")
    )
    left = Box(BODY.left, BODY.top, 3.4, BODY.height)
    for box, (figure, what) in zip(rows(left, 4, 0.18), _figures(about), strict=True):
        page.tile(box, figure, what)
    room = Box(left.right + 0.4, BODY.top, BODY.right - left.right - 0.4, BODY.height)
    chosen = iter(about.spread(_GRID[0] * _GRID[1]))
    for line in rows(room, _GRID[1], 0.16):
        for box, row in zip(columns(line, _GRID[0], 0.16), chosen, strict=False):
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
