"""How it runs: the health of the photos, how fast it went, and what runs where on AWS."""

from __future__ import annotations

from collections.abc import Sequence

from verger.cloud.plan_lines import clock
from verger.slides import charts
from verger.slides.boxes import BODY, Box, columns, rows
from verger.slides.deck import Deck
from verger.slides.drawing import Page
from verger.slides.pages.weighing import MILLION, plan_for
from verger.slides.subject import Subject
from verger.slides.text import Line, clean

_EXAMPLES = 5
_REASONS = 6
_NO_BREAK = "\u2011"  # a hyphen at which no line ends
_SCALES = (10_000, 100_000, 1_000_000, 10_000_000)


def health(deck: Deck, about: Subject) -> None:
    """Rejects by reason, and what looks wrong among the photos that were embedded."""
    words, report = about.words, about.report
    rejected = int(about.record["counts"]["rejected"])
    listed = int(about.record["counts"]["listed"])
    values = {
        "rejected": words.count(rejected, "photo"), "listed": words.number(listed),
        "looked": words.count(len(report.sample.rows), "photo"),
    }  # fmt: skip
    key = "health.title" if rejected else "health.title_none"
    page = deck.page(words(key, **values), words("health.notes", **values))
    left, room = BODY.beside(4.9)
    _rejects(page, left, about, rejected)
    place = {int(row): at for at, row in enumerate(report.sample.rows)}
    doubles = [place[int(row)] for row in report.duplicates.rows if int(row) in place]
    findings = (
        ("duplicates", report.duplicates.extra, doubles),
        ("mislabelled", len(report.mislabels.rows), [int(row) for row in report.mislabels.rows]),
        ("outliers", len(report.outliers.rows), [int(row) for row in report.outliers.rows]),
    )
    for box, (name, count, found) in zip(rows(room, 3, 0.18), findings, strict=True):
        _finding(page, box, about, name, count, found)


def _rejects(page: Page, box: Box, about: Subject, rejected: int) -> None:
    words = about.words
    below = page.headed(box, words("health.rejects"))
    if not rejected:
        page.card(Box(below.left, below.top + 0.1, below.width, 1.6),
                  [Line(words("health.no_rejects"), 15)], anchor="middle")  # fmt: skip
        return
    most = sorted(about.report.rejects, key=lambda one: -one.photos)
    names = [words.known("reasons", one.reason) for one in most[:_REASONS]]
    counts = [float(one.photos) for one in most[:_REASONS]]
    if rest := sum(one.photos for one in most[_REASONS:]):
        names, counts = [*names, words("health.other")], [*counts, float(rest)]
    high = min(below.height, 0.75 + 0.55 * len(names))
    charts.bars(
        page, Box(below.left, below.top, below.width, high), names,
        {words("health.series"): counts}, form="#,##0", what=words("health.chart"),
        most=max(counts) * 1.25,
    )  # fmt: skip


def _finding(
    page: Page, box: Box, about: Subject, name: str, count: int, found: Sequence[int]
) -> None:
    words = about.words
    page.card(box)
    inner = box.inside(0.18, 0.12)
    lines = [
        Line(words.number(count), 26, bold=True, colour="second" if count else "accent"),
        Line(words(f"health.{name}"), 12, colour="soft"),
    ]
    page.text(Box(inner.left, inner.top, 2.2, inner.height), lines, anchor="middle")
    room = Box(inner.left + 2.35, inner.top, inner.width - 2.35, inner.height)
    labelled = bool(about.report.photos.names)
    for place, row in zip(columns(room, _EXAMPLES, 0.1), found, strict=False):
        about.show(page, place, row, about.label_of(row) if labelled else "")


def speed(deck: Deck, about: Subject) -> None:
    """Where the time went, and what more photos would take at this rate."""
    words, record = about.words, about.record
    rate, cores = about.report.rate, int(record["cores"])
    seconds = {str(name): float(value) for name, value in record["seconds"].items()}
    whole = sum(seconds.values())
    values = {
        "rate": words.number(rate, 0 if rate >= 10 else 1), "cores": words.count(cores, "core"),
        "whole": words.seconds(whole), "photos": words.count(about.photos, "photo"),
    }  # fmt: skip
    key = "speed.title" if rate else "speed.title_none"
    page = deck.page(words(key, **values), words("speed.notes", **values))
    left, right = BODY.beside(6.2)
    charts.bars(
        page, page.headed(left, words("speed.stages", **values)),
        [words.known("stages", clean(name)) for name in seconds],
        {words("speed.series"): list(seconds.values())}, form='#,##0.0" s"',
        most=max([*seconds.values(), 0.1]) * 1.25, what=words("speed.chart"),
    )  # fmt: skip
    if not rate:
        page.card(Box(right.left, right.top + 0.4, right.width, 1.6),
                  [Line(words("speed.unknown"), 15)], anchor="middle")  # fmt: skip
        return
    page.headed(right, words("speed.more"))
    table = [[words("speed.photos"), words("speed.here", **values), words("speed.core_hours")]]
    for photos in _SCALES:
        hours = photos / rate * cores / 3600
        digits = 2 if hours < 0.1 else 1 if hours < 10 else 0
        row = [words.number(photos), words.seconds(photos / rate), words.number(hours, digits)]
        table.append(row)
    box = Box(right.left, right.top + 0.45, right.width, 2.9)
    page.table(box, table, (1.2, 1.3, 1.3), size=14)
    below = Box(right.left, box.bottom + 0.25, right.width, BODY.bottom - box.bottom - 0.25)
    page.text(below, [Line(words("speed.caution"), 13, colour="soft")])


def aws(deck: Deck, about: Subject) -> None:
    """What runs where on AWS, with its fences, and what it costs."""
    words = about.words
    page = deck.page(words("aws.title"), words("aws.notes"))
    high = 3.15
    upper, lower = BODY.above(high, 0.25)
    here, cloud = upper.beside(2.9, 0.7)
    for box, name in ((here, "aws.here"), (cloud, "aws.cloud")):
        lines = [Line(words(name), 16, bold=True, colour="accent")]
        page.card(box, lines, fill="wash", edge=None)
    laptop = Box(here.left + 0.2, here.top + 0.65, here.width - 0.4, high - 0.9)
    _place(page, laptop, about, "laptop")
    room = Box(cloud.left + 0.2, cloud.top + 0.65, cloud.width - 0.4, high - 0.9)
    boxes = columns(room, 3, 0.5)
    for box, name in zip(boxes, ("photos", "cluster", "store"), strict=True):
        _place(page, box, about, name)
    page.arrows(boxes, 0.05)
    page.arrows((laptop, boxes[0]), 0.25)
    fences, cost = columns(lower, 2, 0.4)
    lines = [Line(words("aws.fences"), 16, bold=True, colour="accent")]
    lines += [Line(words(f"aws.fence{at}"), 13, bullet=True, before=3) for at in range(1, 5)]
    page.card(fences, lines)
    page.card(cost, [Line(words("aws.cost"), 16, bold=True, colour="accent"), *_cost(about)])


def _place(page: Page, box: Box, about: Subject, name: str) -> None:
    lines = [
        Line(about.words(f"aws.{name}"), 15, bold=True, centred=True),
        Line(about.words(f"aws.{name}_text"), 12, colour="soft", centred=True, before=3),
    ]
    kept = name in ("photos", "store")
    page.card(box, lines, anchor="middle", edge="accent" if kept else "line", margin=0.1,
              sharp=kept)  # fmt: skip


def _cost(about: Subject) -> list[Line]:
    """Say what the plan reckons for these photos on AWS, and for a million of their size."""
    words = about.words
    lines = []
    if spent := about.record.get("cost"):
        on, eur = clean(str(spent["where"])), words.number(float(spent["amount"]), 2)
        lines.append(Line(words("aws.spent", eur=eur, on=on), 14, before=3))
    for key, photos in (("aws.these", about.photos), ("aws.million", MILLION)):
        plan = plan_for(about, photos)
        best = plan.recommended
        values = {
            "photos": words.count(photos, "photo"), "on": f"{best.on}, {best.size}",
            "time": clock(best.seconds), "eur": words.number(best.eur, 2),
        }  # fmt: skip
        lines.append(Line(words(key, **values), 14, before=3))
    dated = {
        "date": plan.prices.date.isoformat(),
        "region": plan.prices.region.replace("-", _NO_BREAK),
    }
    return [*lines, Line(words("aws.prices", **dated), 13, colour="soft", before=3)]
