"""Report and slides of one run say the same of it, figure by figure, in the same form."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Iterator

import pytest
from pptx import Presentation

from report_orchard import Orchard
from verger.report.data import Report, build
from verger.report.findings import tables
from verger.report.html import render
from verger.slides import draw
from verger.texts import LANGUAGES
from verger.texts.numbers import Numbers

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def found(orchard: Orchard) -> Report:
    return build(orchard.store)


def page_of(found: Report, language: str) -> str:
    """What a person reads of the page."""
    bare = re.sub(r"(?s)<(script|style)\b.*?</\1>", "", render(found, "store", language))
    return html.unescape(re.sub("<[^>]*>", " ", bare))


def slides_of(found: Report, language: str) -> str:
    deck = Presentation(io.BytesIO(draw(found, "store", language)))
    shapes = [shape for slide in deck.slides for shape in slide.shapes]
    return "\n".join(shape.text_frame.text for shape in shapes if shape.has_text_frame)


def figures(found: Report, say: Numbers) -> Iterator[tuple[str, str]]:
    """What both tell, and how it is written."""
    apart = found.separation
    assert apart is not None
    yield "purity before", say.percent(apart.overall[0])
    yield "purity after", say.percent(apart.overall[1])
    yield "purity by chance", say.percent(apart.chance)
    yield "named right", say.percent(apart.judged_right)
    yield "photos that were judged", say.number(apart.judged)
    yield "variance kept", say.percent(float(found.record["projection"]["explained_variance"]))
    yield "components", say.number(found.pca.k)
    yield "photos", say.number(len(found.photos))
    yield "neighbours", say.number(apart.neighbours)
    for one in apart.confusions[:4]:
        yield f"confusion {one.label} {one.named}", say.percent(one.share)


@pytest.mark.parametrize("language", LANGUAGES)
def test_report_and_slides_say_the_same(found: Report, language: str) -> None:
    page, slides = page_of(found, language), slides_of(found, language)
    told = list(figures(found, Numbers(language)))
    assert len(told) > 9
    for what, figure in told:
        alone = re.compile(rf"(?<![\d.,]){re.escape(figure)}(?![\d])")
        assert alone.search(page), f"the page lacks {what}, {figure}"
        assert alone.search(slides), f"the slides lack {what}, {figure}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_percentages_have_one_form_a_language(found: Report, language: str) -> None:
    space = {"en": "", "fr": "\u202f"}[language]
    for told in (page_of(found, language), slides_of(found, language)):
        assert set(re.findall(r"\d(\s*)%", told)) == {space}


def test_a_confusion_counts_photos_that_were_named_wrongly(found: Report) -> None:
    apart = found.separation
    assert apart is not None
    wrong = sum(one.photos for one in apart.confusions)
    assert wrong == round((1 - apart.judged_right) * apart.judged)
    table = tables(found)["confusions"].to_pylist()
    assert sum(row["photos"] for row in table) == wrong
    assert all(row["label"] != row["named"] for row in table)
    for one in apart.confusions:
        assert all(found.codes[row] == one.label for row, _ in one.examples)
        assert all(found.codes[near] == one.named for _, near in one.examples)
