"""What was chosen, beside what else there was, with the figures of the run."""

from __future__ import annotations

from collections.abc import Sequence

from verger.cloud.plan import Plan
from verger.cloud.plan_lines import clock
from verger.cloud.planning import planned
from verger.progress import reporter
from verger.settings import DEFAULT_BACKBONE, GPU_BACKBONE
from verger.slides.boxes import BODY, Box
from verger.slides.deck import Deck
from verger.slides.drawing import Page
from verger.slides.subject import Subject
from verger.slides.text import Line, clean, on_one_line

MILLION = 1_000_000
_BYTES = 4  # of a number of the matrix
# Measured once, for both networks that Verger brings (decision 38): what a photo takes in a whole
# run beside float32, phone photos named right, and how many nearest neighbours stay the same.
_MEASURED = {DEFAULT_BACKBONE: (0.74, 0.704, 0.94), GPU_BACKBONE: (1.0, 0.709, 1.0)}


def choices(deck: Deck, about: Subject) -> None:
    """Where to compute, with which network, and how many components to keep."""
    words = about.words
    page = deck.page(words("choices.title"), words("choices.notes"))
    upper, lower = BODY.above(2.45, 0.3)
    _where(page, upper, about)
    left, right = lower.beside(5.9, 0.4)
    _network(page, left, about)
    _components(page, right, about)


def plan_for(about: Subject, photos: int) -> Plan:
    """Plan so many photos of the size of those of the run on AWS, by the table of prices."""
    size = about.report.photos.size
    return planned(
        None, None, reporter(quiet=True), photos_count=photos, live=False, free_plan=False,
        photo_kb=float(size.mean()) / 1e3 if len(size) else 0.0,
    )  # fmt: skip


def _block(
    page: Page, box: Box, about: Subject, name: str, table: Sequence[Sequence[str]],
    shares: Sequence[float], **values: str,
) -> None:  # fmt: skip
    """Draw a heading, a table, and what follows from it."""
    words = about.words
    below = page.headed(box, words(f"choices.{name}"))
    high = below.height - 0.42
    page.table(below._replace(height=high), table, shares, size=12)
    told = Box(below.left, below.top + high + 0.08, below.width, 0.34)
    page.text(told, [Line(words(f"choices.{name}_so", **values), 12, colour="soft")])


def _where(page: Page, box: Box, about: Subject) -> None:
    """Lay this run beside what the plan reckons for its photos, and for a million, on AWS."""
    words, record = about.words, about.record
    rate, cores = about.report.rate, int(record["cores"])
    spent = sum(float(value) for value in record["seconds"].values())
    here = about.rented or words("choices.this_machine", cores=words.count(cores, "core"))
    table = [
        [words("choices.on"), words.count(about.photos, "photo"), words.count(MILLION, "photo")],
        [on_one_line(here, 12, 2.6), words("choices.measured", time=words.seconds(spent)),
         words("choices.reckoned", time=words.seconds(MILLION / rate)) if rate else "–"],
    ]  # fmt: skip
    plans = [plan_for(about, photos) for photos in (about.photos, MILLION)]
    for few, many in zip(*(plan.estimates for plan in plans), strict=True):
        row = [
            f"{clock(one.seconds)}, {words.number(one.eur, 2)} EUR ({one.size})"
            for one in (few, many)
        ]
        table.append([words(f"choices.{few.on}"), *row])
    best = [plan.recommended.on for plan in plans]
    values = {"few": words(f"choices.{best[0]}"), "many": words(f"choices.{best[1]}")}
    _block(page, box, about, "where", table, (2.8, 4.5, 4.8), **values)


def _network(page: Page, box: Box, about: Subject) -> None:
    """Lay the networks that Verger brings beside one another."""
    words, record = about.words, about.record
    name, rate = str(record["backbone"]["name"]), about.report.rate
    mine = _MEASURED.get(name)
    head = [words("choices.network"), words("choices.rate"), words("choices.right"),
            words("choices.near")]  # fmt: skip
    table = [head]
    for other, (takes, right, near) in _MEASURED.items():
        told = "–"
        if mine and rate:
            reckoned = rate * mine[0] / takes
            told = words.number(reckoned, 0 if reckoned >= 10 else 1)
            told = told if other == name else f"≈ {told}"
        table.append([words(f"choices.{other.rpartition('-')[2]}"), told, words.percent(right),
                      words.percent(near, 0)])  # fmt: skip
    chosen = on_one_line(clean(name), 12, 2.4)
    _block(page, box, about, "net", table, (2.1, 1.3, 1.5, 1.3), network=chosen)


def _components(page: Page, box: Box, about: Subject) -> None:
    """Say what each share of the variance takes, in columns and in bytes."""
    words, report = about.words, about.report
    table = [[words("choices.share"), words("choices.k"), words("choices.size")]]
    for target, at in report.spectrum.needed:
        taken = words.size(about.photos * at * _BYTES) if at else "–"
        table.append([words.exact(target), words.number(at) if at else "–", taken])
    kept = words.percent(float(about.record["projection"]["explained_variance"]))
    values = {"k": words.count(report.pca.k, "component"), "kept": kept,
              "whole": words.size(about.photos * about.features * _BYTES)}  # fmt: skip
    _block(page, box, about, "pca", table, (1.4, 1.2, 1.6), **values)
