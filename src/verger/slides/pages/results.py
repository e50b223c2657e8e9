"""What came out: the choice of k, the map, how labels separate, who is near whom, naming photos."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from verger.settings import parse_components
from verger.slides import charts, images
from verger.slides.boxes import BODY, Box, columns, rows
from verger.slides.deck import Deck
from verger.slides.drawing import Page
from verger.slides.subject import Subject
from verger.slides.text import Line, on_one_line

_MOST_POINTS = 150  # of a curve
_BARS = 10
_ON_MAP, _MAP_PIXELS, _TILE = 360, (2000, 860), 72
_QUERIES, _NEAREST = 4, 7
_PAIRS, _EXAMPLES = 4, 2
# Two labels, what is said of them, and rows of the sample side by side.
_Couple = tuple[str, str, str, tuple[tuple[int, int], ...]]


def components(deck: Deck, about: Subject) -> None:
    """How many components are kept, and what more or fewer would keep."""
    words, report = about.words, about.report
    found = report.spectrum
    if len(found.ratios) < 2:
        return
    kept = float(np.cumsum(found.ratios)[found.k - 1])
    values = {
        "k": words.count(found.k, "component"), "kept": words.percent(kept)
    }  # fmt: skip
    page = deck.page(words("components.title", **values), words("components.notes", **values))
    reached = np.cumsum(found.ratios)
    last = max([found.k, *(at for _, at in found.needed if at)])
    last = min(len(reached), math.ceil(last * 1.08) + 2)
    places = np.unique(np.linspace(0, last - 1, min(last, _MOST_POINTS)).astype(int))
    points = [(0.0, 0.0), *((float(at + 1), float(reached[at])) for at in places)]
    names = (words("components.curve"), words("components.mark", **values),
             words("components.count"))  # fmt: skip
    left, right = BODY.beside(7.9, 0.35)
    charts.curve(page, left, points, (float(found.k), kept), names,
                 form=words.percent_code(0), what=words("components.chart"))  # fmt: skip
    right = right._replace(top=BODY.top + 0.1, height=2.9)
    table = [[words("components.share"), words("components.needed")]]
    for target, at in found.needed:
        needed = words.number(at) if at else words("components.unknown")
        table.append([words.exact(target), needed])
    page.table(right, table, (1, 1), size=16)
    below = Box(right.left, right.bottom + 0.3, right.width, BODY.bottom - right.bottom - 0.3)
    wanted = parse_components(str(about.record["settings"]["components"]))
    asked = (words.count(wanted, "component") if isinstance(wanted, int)
             else words("components.asked_share", share=words.exact(wanted)))  # fmt: skip
    lines = [
        Line(words("components.asked", asked=asked), 14),
        Line(words("components.first", share=words.percent(float(found.ratios[0]))), 14,
             before=6),
    ]  # fmt: skip
    if found.rows:
        text = words("components.beyond", rows=words.count(found.rows, "photo"))
        lines.append(Line(text, 12, colour="soft", before=6))
    page.text(below, lines)


def map_of_photos(deck: Deck, about: Subject) -> None:
    """The photos where their first two components place them."""
    words, report = about.words, about.report
    chosen = report.map_rows[:_ON_MAP]
    if report.pca.k < 2 or len(chosen) < 3:
        return
    (layout,) = (one for one in report.maps if one.kind == "pca")
    share = words.percent(float(report.spectrum.ratios[:2].sum()))
    values = {"photos": words.count(len(chosen), "photo"), "share": share}
    page = deck.page(words("map.title"), words("map.notes", **values))
    room = Box(BODY.left, BODY.top, BODY.width, BODY.height - 0.4)
    page.card(room)
    thumbnails = [about.thumbnail(int(row)) for row in chosen]
    drawn = images.scattered(thumbnails, layout.points[: len(chosen)], _MAP_PIXELS, _TILE)
    page.picture(room.inside(0.12), drawn, words("map.picture", **values))
    below = Box(BODY.left, room.bottom + 0.08, BODY.width, 0.3)
    page.text(below, [Line(words("map.axes", **values), 12, colour="soft")])


def separation(deck: Deck, about: Subject) -> None:
    """How well labels separate, before and after reduction."""
    words, apart = about.words, about.report.separation
    if apart is None:
        return
    before, after = apart.overall
    values = {
        "before": words.percent(before), "after": words.percent(after),
        "chance": words.percent(apart.chance), "near": words.number(apart.neighbours),
    }  # fmt: skip
    page = deck.page(words("separation.title", **values), words("separation.notes", **values))
    left, room = BODY.beside(3.4)
    figures = [
        (values["before"], "separation.before"), (values["after"], "separation.after"),
        (values["chance"], "separation.chance"),
    ]  # fmt: skip
    page.tiles(rows(left, 3), [(figure, words(what, **values)) for figure, what in figures])
    order = [code for code in np.argsort(np.nan_to_num(apart.reduced, nan=9.0), kind="stable")
             if math.isfinite(apart.reduced[code])][:_BARS]  # fmt: skip
    key = "separation.least" if len(order) == _BARS else "separation.all"
    charts.bars(
        page, page.headed(room, words(key, labels=words.number(len(order)))),
        [about.label(code) for code in order],
        {
            words("separation.series_before"): [apart.raw[code] for code in order],
            words("separation.series_after"): [apart.reduced[code] for code in order],
        },
        form=words.percent_code(1), most=1.12, what=words("separation.chart"),
    )  # fmt: skip


def neighbours(deck: Deck, about: Subject) -> None:
    """Some photos, and those that are nearest to them after reduction."""
    words = about.words
    queries = about.spread(_QUERIES * 2 + 1)[1::2] or about.spread(1)
    if not about.report.pca.k or not queries:
        return
    found = about.nearest_after(queries, _NEAREST)
    labelled = bool(about.report.photos.names)
    page = deck.page(words("neighbours.title"), words("neighbours.notes"))
    room = Box(BODY.left, BODY.top + 0.1, BODY.width, BODY.height - 0.42)
    room = room._replace(height=room.height * len(queries) / _QUERIES)
    for line, query, near in zip(rows(room, len(queries), 0.1), queries, found, strict=True):
        boxes = columns(line, _NEAREST + 2, 0.12)
        first = Box(boxes[0].left, line.top, boxes[0].width, line.height)
        about.show(page, first, query, about.label_of(query) if labelled else "", edge="ink")
        middle = line.top + (line.height - 0.26) / 2
        page.arrow((boxes[1].left + 0.25, middle), (boxes[1].right - 0.25, middle))
        mine = int(about.report.codes[query])
        for box, row in zip(boxes[2:], near, strict=False):
            same = int(about.report.codes[row]) == mine
            edge = ("accent" if same else "second") if labelled and mine >= 0 else None
            about.show(page, box, row, about.label_of(row) if labelled else "", edge=edge)
    key = "neighbours.legend" if labelled else "neighbours.legend_unlabelled"
    page.text(Box(BODY.left, BODY.bottom - 0.26, BODY.width, 0.26),
              [Line(words(key), 12, colour="soft")])  # fmt: skip


def identification(deck: Deck, about: Subject) -> None:
    """How often a photo is named rightly, and who is taken for whom."""
    words, apart, calibration = about.words, about.report.separation, about.calibration
    if apart is None:
        return
    right = apart.judged_right
    key = "naming.title" if math.isfinite(right) else "naming.title_unknown"
    values = {
        "right": words.percent(right), "chance": words.percent(apart.chance),
        "judged": words.count(apart.judged, "photo"),
    }  # fmt: skip
    page = deck.page(words(key, **values), words("naming.notes", **values))
    left, room = BODY.beside(3.9)
    figures = [(values["right"], words("naming.right", **values))]
    if calibration is not None and calibration.photos:
        validated = words.count(calibration.photos, "photo")
        figures += [
            (validated, words("naming.held_out")),
            (words.percent(calibration.bounds.variety), words("naming.variety")),
        ]
    else:
        figures.append(("–", words("naming.uncalibrated")))
    page.tiles(rows(left, len(figures)), figures)
    if apart.confusions:
        told = [
            (about.label(one.label), f"→ {about.label(one.named)}", words(
                "naming.share", photos=words.count(one.photos, "photo"),
                share=words.percent(one.share),
            ), one.examples)
            for one in apart.confusions[:_PAIRS]
        ]  # fmt: skip
        _couples(page, page.headed(room, words("naming.confused")), about, told)
        return
    told = [
        (about.label(pair.first), about.label(pair.second),
         words("naming.near", share=words.percent(pair.share)), pair.examples)
        for pair in apart.pairs[:_PAIRS]
    ]  # fmt: skip
    if math.isfinite(right):
        key = "naming.none_confused" if told else "naming.all_apart"
    else:  # none was named, so none was named rightly
        key = "naming.closest"
    _couples(page, page.headed(room, words(key)), about, told)


def _couples(page: Page, room: Box, about: Subject, told: Sequence[_Couple]) -> None:
    """Show pairs of labels, what is said of each, and photos of both side by side."""
    _, below = room.above(0.1)
    for line, (*names, said, examples) in zip(rows(below, _PAIRS, 0.14), told, strict=False):
        page.card(line)
        inner = line.inside(0.15, 0.1)
        text, shown = inner.beside(3.7, 0.1)
        lines = [Line(on_one_line(name, 14, text.width, bold=True), 14, bold=True)
                 for name in names]  # fmt: skip
        page.text(text, [*lines, Line(said, 12, colour="soft")], anchor="middle")
        for box, example in zip(columns(shown, _EXAMPLES, 0.2), examples[:_EXAMPLES], strict=False):
            for half, row in zip(columns(box, 2, 0.06), example, strict=True):
                about.show(page, half, row)
