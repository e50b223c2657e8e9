"""Slides: what they say, that it fits, and that hostile names stay text. No LibreOffice needed."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, ImageFont
from pptx import Presentation
from pptx.util import Emu

from report_orchard import Orchard, jpeg
from report_stores import lay, make_store
from verger.cli.main import cli
from verger.demo.render import VARIETIES
from verger.errors import StoreError, UsageError
from verger.report.data import Report, build
from verger.settings import RunSettings
from verger.slides import draw, write_slides
from verger.slides.charts import plain
from verger.slides.images import scattered
from verger.slides.pdf import libreoffice
from verger.slides.text import Line, clean, fit, height, on_one_line, width
from verger.slides.words import Words
from verger.texts import LANGUAGES

_LONG = "a very long name of a variety of fruit " * 8
_HOSTILE = ("=1+1", "@SUM(A1)", "+cmd|calc", "a\x01\x0b\x1b[31m\tb", _LONG[:240].strip(),
            "\u202egpj.exe", "苹果" * 40, "M" * 200)  # fmt: skip


@pytest.fixture(scope="session")
def found(orchard: Orchard) -> Report:
    """What the report finds in the orchard."""
    return build(orchard.store)


@pytest.fixture(scope="session")
def decks(found: Report) -> dict[str, Any]:
    """The orchard's slides, by language, as a program that opens them sees them."""
    return {one: Presentation(io.BytesIO(draw(found, "store", one))) for one in LANGUAGES}


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Slides of photos whose labels, listed in a CSV file, are hostile."""
    folder = tmp_path_factory.mktemp("hostile")
    photos = {
        f"{at}/{view}.jpg": jpeg(VARIETIES[2 * at], view)
        for at in range(len(_HOSTILE))
        for view in range(4)
    }
    photos |= {f"0/{name}.jpg": b"nothing" for name in "ab"}
    names = {f"{at}/": name for at, name in enumerate(_HOSTILE)}
    rows = "".join(f'{path},"{names[path[:2]].replace(chr(34), chr(34) * 2)}"\n' for path in photos)
    table = folder / "labels.csv"
    table.write_text(f"path,label\n{rows}", encoding="utf-8")
    settings = RunSettings(label_from=str(table), csv=False)
    store = make_store(lay(folder / "photos", photos), folder / "store", settings)
    return draw(build(store), 'x"\x02 <b>&' + _LONG, "en")


def shapes(deck: Any) -> Iterator[tuple[int, Any]]:
    for at, slide in enumerate(deck.slides, 1):
        for shape in slide.shapes:
            yield at, shape


def texts(deck: Any) -> str:
    return "\n".join(s.text_frame.text for _, s in shapes(deck) if s.has_text_frame)


def titles(deck: Any) -> list[str]:
    return [slide.shapes.title.text_frame.text for slide in deck.slides]


def charts(deck: Any) -> list[Any]:
    return [shape.chart for _, shape in shapes(deck) if shape.has_chart]


def inches_of(text: str, size: float, *, bold: bool) -> float:
    """Measure with Pillow itself; what its font lacks is as wide as it is high."""
    ems = sum(map(ems_of, text))
    return ems * size * (1.06 if bold else 1.0) / 72


@cache
def ems_of(character: str) -> float:
    font = ImageFont.load_default(100)
    assert isinstance(font, ImageFont.FreeTypeFont)
    font = font.font_variant(layout_engine=ImageFont.Layout.BASIC)
    return font.getlength(character) / 100 if ord(character) < 0x2100 else 1.0


def rendered_height(frame: Any, across: float) -> float:
    """Break paragraphs into lines as a renderer does, and add their heights up."""
    total = 0.0
    for paragraph in frame.paragraphs:
        if not paragraph.runs:
            continue
        font = paragraph.runs[0].font
        size, lines, line = font.size.pt, 1, 0.0
        for word in re.findall(r"[^ ]+ ?", paragraph.text):
            wide = inches_of(word.rstrip(), size, bold=font.bold)
            if line and line + wide > across:
                lines, line = lines + 1, 0.0
            extra = int(wide // across)  # a word that is broken
            lines, line = lines + extra, line + wide - extra * across
            line += inches_of(" ", size, bold=font.bold) if word.endswith(" ") else 0
        before = paragraph.space_before
        total += lines * size * 1.17 / 72 + (before.pt / 72 if before is not None else 0)
    return total


def overfull(deck: Any) -> list[tuple[int, str, float, float]]:
    """Return the texts that are higher than their boxes, with both heights in inches."""
    out = []

    def look(at: int, frame: Any, wide: int, high: int) -> None:
        across = Emu(wide - frame.margin_left - frame.margin_right).inches
        room = Emu(high - frame.margin_top - frame.margin_bottom).inches
        needed = rendered_height(frame, across)
        if needed > room + 0.02:
            out.append((at, frame.text, needed, room))

    for at, shape in shapes(deck):
        if shape.has_text_frame:
            look(at, shape.text_frame, shape.width, shape.height)
        elif shape.has_table:
            for row in shape.table.rows:
                for column, cell in zip(shape.table.columns, row.cells, strict=True):
                    frame = cell.text_frame
                    across = Emu(column.width - cell.margin_left - cell.margin_right).inches
                    room = Emu(row.height - cell.margin_top - cell.margin_bottom).inches
                    needed = rendered_height(frame, across)
                    if needed > room + 0.02:
                        out.append((at, frame.text, needed, room))
    return out


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_everything_stands_on_its_slide_and_every_text_in_its_box(
    decks: dict[str, Any], language: str
) -> None:
    deck = decks[language]
    assert Emu(deck.slide_width).inches == pytest.approx(13.333)
    assert Emu(deck.slide_height).inches == 7.5
    for at, shape in shapes(deck):
        assert min(shape.left, shape.top) >= 0, (at, shape.name)
        assert shape.left + shape.width <= deck.slide_width, (at, shape.name)
        assert shape.top + shape.height <= deck.slide_height, (at, shape.name)
    assert overfull(deck) == []


@pytest.mark.slow
@pytest.mark.parametrize("views", [None, "224,300,420"])
def test_no_text_of_ours_is_cut(tmp_path: Path, views: str | None) -> None:
    photos = {f"{name}/{v}.jpg": jpeg(VARIETIES[at], v) for at, name in enumerate("abc")
              for v in range(5)}  # fmt: skip
    settings = RunSettings(csv=False, views=views)
    report = build(make_store(lay(tmp_path / "photos", photos), tmp_path / "store", settings))
    for language, told in zip(LANGUAGES, ("in 3 views", "en 3 vues"), strict=True):
        deck = Presentation(io.BytesIO(draw(report, "store", language)))
        assert "…" not in texts(deck)
        assert overfull(deck) == []
        assert (told in texts(deck)) == (views is not None)


@pytest.mark.slow
def test_every_slide_has_a_title_of_its_own_and_notes_and_says_what_it_shows(
    decks: dict[str, Any],
) -> None:
    for language, deck in decks.items():
        assert len(deck.slides) == 19
        assert len(set(titles(deck))) == 19
        for slide in deck.slides:
            assert len(slide.notes_slide.notes_text_frame.text) > 150
        for _, shape in shapes(deck):
            if shape.has_chart or hasattr(shape, "image"):
                (properties,) = shape._element.xpath(".//p:cNvPr")
                assert properties.get("descr")
        spoken = {run.get("lang") for _, s in shapes(deck) for run in s._element.xpath(".//a:rPr")}
        assert spoken - {None} == {{"en": "en-GB", "fr": "fr-FR"}[language]}
    assert set(titles(decks["en"])).isdisjoint(titles(decks["fr"]))


@pytest.mark.slow
def test_pictures_keep_their_proportions(decks: dict[str, Any]) -> None:
    pictures = [shape for _, shape in shapes(decks["en"]) if hasattr(shape, "image")]
    assert len(pictures) > 60
    for shape in pictures:
        across, down = shape.image.size
        assert shape.width / shape.height == pytest.approx(across / down, rel=0.01)
        assert (shape.crop_left, shape.crop_right, shape.crop_top, shape.crop_bottom) == (0,) * 4


@pytest.mark.slow
def test_charts_are_native_and_hold_what_the_report_found(
    decks: dict[str, Any], found: Report
) -> None:
    curve, apart, rejects, stages = charts(decks["en"])
    assert list(curve.plots[0].series[1].iter_values()) == [
        0, pytest.approx(found.pca.explained_variance_ratio.sum()),
        pytest.approx(found.pca.explained_variance_ratio.sum()),
    ]  # fmt: skip
    assert found.separation is not None
    after = next(s for s in apart.plots[0].series if s.name == "after reduction")
    worst = sorted(found.separation.reduced)[:10]
    assert list(after.values) == pytest.approx(worst[::-1])
    assert sorted(rejects.plots[0].categories) == ["empty", "not an image", "truncated"]
    assert list(rejects.plots[0].series[0].values) == [1, 1, 1]
    assert sum(stages.plots[0].series[0].values) == pytest.approx(
        sum(found.record["seconds"].values())
    )


@pytest.mark.slow
def test_figures_are_the_runs(decks: dict[str, Any], found: Report) -> None:
    seen = texts(decks["fr"])
    assert found.separation is not None
    words = Words("fr")
    for figure in (
        words.percent(found.separation.overall[1]),
        words.percent(found.separation.judged_right),
        words.count(found.pca.k, "column"),
        words.number(len(found.photos)),
    ):
        assert figure in seen


@pytest.mark.slow
def test_the_first_slide_says_who_presents_and_of_which_day(found: Report) -> None:
    for author, told in (
        ("Ada <b> Lovelace\u202e", "Ada <b> Lovelace"),
        ("M" * 300, "M" * 20),
        ("", ""),
    ):
        deck = Presentation(io.BytesIO(draw(found, "store", "fr", author=author)))
        first = "\n".join(s.text_frame.text for s in deck.slides[0].shapes if s.has_text_frame)
        assert told in first
        assert Words("fr").day(str(found.record["finished"])) in first
        assert deck.core_properties.author.startswith(told or "Verger")
        assert overfull(deck) == []


@pytest.mark.slow
def test_pca_is_shown_by_photos_from_one_end_of_a_component_to_the_other(
    decks: dict[str, Any], found: Report
) -> None:
    (page,) = (s for s in decks["en"].slides if "What PCA does" in s.shapes.title.text_frame.text)
    pictures = [shape for shape in page.shapes if hasattr(shape, "image")]
    assert len(pictures) == 21
    first = found.pca.transform(found.sample.features)[:, 0]
    ends = [
        found.sample.thumbnails[int(found.sample.rows[at(first)])] for at in (np.argmin, np.argmax)
    ]
    for shape, thumbnail in zip((pictures[0], pictures[6]), ends, strict=True):
        shown, kept = (Image.open(io.BytesIO(data)).convert("RGB").resize((16, 16))
                       for data in (shape.image.blob, thumbnail))  # fmt: skip
        assert np.abs(np.asarray(shown, float) - np.asarray(kept, float)).mean() < 8


@pytest.mark.slow
def test_the_choices_are_weighed_with_figures_of_the_run(
    decks: dict[str, Any], found: Report
) -> None:
    (page,) = (s for s in decks["en"].slides if "The choices" in s.shapes.title.text_frame.text)
    where, network, kept = (s.table for s in page.shapes if s.has_table)
    assert [row.cells[0].text[:3] for row in where.rows][2:] == ["EC2", "EMR", "EMR"]
    assert Words("en").seconds(sum(found.record["seconds"].values())) in where.cell(1, 1).text
    assert Words("en").number(found.record["photos_per_second"]) == network.cell(1, 1).text
    needed = {f"{share:.0%}": at for share, at in found.spectrum.needed}
    assert {row.cells[0].text: row.cells[1].text for row in list(kept.rows)[1:]} == {
        share: Words("en").number(at) if at else "–" for share, at in needed.items()
    }


@pytest.mark.slow
def test_the_slide_on_personal_data_names_no_path(decks: dict[str, Any], found: Report) -> None:
    for deck in decks.values():
        assert str(found.record["photos"]) not in texts(deck) + "".join(
            cell.text
            for _, s in shapes(deck)
            if s.has_table
            for r in s.table.rows
            for cell in r.cells
        )


@pytest.mark.slow
def test_hostile_names_are_text_and_no_formula(hostile: bytes) -> None:
    deck = Presentation(io.BytesIO(hostile))  # lxml read every part: all of it is XML
    assert overfull(deck) == []
    seen = texts(deck)
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e]", seen)
    assert "=1+1" in seen
    with zipfile.ZipFile(io.BytesIO(hostile)) as file:
        books = [name for name in file.namelist() if name.endswith(".xlsx")]
        assert len(books) == 4
        for book in books:
            with zipfile.ZipFile(io.BytesIO(file.read(book))) as sheets:
                sheet = sheets.read("xl/worksheets/sheet1.xml").decode()
                assert "<f>" not in sheet
                assert "hyperlink" not in sheet
    assert plain("=1+1") != "=1+1"
    assert plain("http://x") != "http://x"
    assert plain("Apple 3") == "Apple 3"


@pytest.mark.slow
def test_small_stores_give_sensible_slides(tmp_path: Path) -> None:
    one_label = {f"a/{view}.jpg": jpeg(VARIETIES[0], view) for view in range(5)}
    for name, photos, labels, slides in (
        ("two", dict(list(one_label.items())[:2]), "parent", 14),
        ("one label", one_label, "parent", 16),
        ("unlabelled", one_label, "none", 16),
        ("one photo", {"a/x.jpg": jpeg(VARIETIES[3], 0)}, "parent", 13),
        ("nothing", {"a/x.jpg": b"", "a/y.jpg": b"no"}, "parent", 12),
    ):
        settings = RunSettings(label_from=labels, csv=False)
        place = tmp_path / name
        store = make_store(lay(place / "photos", photos), place / "store", settings)
        report = build(store)
        for language in LANGUAGES:
            deck = Presentation(io.BytesIO(draw(report, "store", language)))
            assert len(deck.slides) == slides, (name, titles(deck))
            assert overfull(deck) == []
            assert Words(language)("limits.labels_text") in texts(deck)
            assert "nan" not in texts(deck).lower().split()


def test_counts_have_the_form_that_the_language_gives_them() -> None:
    english, french = Words("en"), Words("fr")
    assert english.count(0, "photo") == "0\u00a0photos"
    assert english.count(1, "photo") == "1\u00a0photo"
    assert french.count(0, "photo") == "0\u00a0photo"
    assert french.count(1234, "photo") == "1\u202f234\u00a0photos"
    assert english.known("stages", "of_tomorrow") == "of tomorrow"


def test_text_is_made_to_fit() -> None:
    lines = [Line(_LONG, 20), Line("end", 14)]
    fitted = fit(lines, 3.0, 1.0)
    assert height(fitted, 3.0) <= 1.0
    assert fitted[-1].text.endswith("…")
    assert fit([Line("short", 20)], 3.0, 1.0) == [Line("short", 20)]
    for text in (_LONG, "M" * 300, "苹果" * 99, "🍎" * 99, "\u00ad" * 99, ""):
        assert width(on_one_line(text, 12, 2.0), 12) <= 2.0
    assert clean("a\x00b\u202e\n c\ud800") == "a\ufffdb c\ufffd"


@pytest.mark.slow
def test_only_what_verger_wrote_is_replaced(
    orchard: Orchard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    file = tmp_path / "talk.pptx"
    told = CliRunner().invoke(cli, ["slides", orchard.store.root, "--output", str(file)])
    assert told.exit_code == 0, told.output
    assert told.stdout.split() == [str(file)]
    assert told.stderr.splitlines()[-1] == "No PDF: LibreOffice is not here."
    file.with_suffix(".pdf").write_bytes(b"of older slides")
    written = write_slides(orchard.store.root, "fr", file)  # ours, and as we left it
    assert (written.pptx, written.pdf) == (str(file), "")
    assert not file.with_suffix(".pdf").exists()
    edited = Presentation(str(file))
    edited.core_properties.last_modified_by = "A person"
    edited.save(str(file))
    for content in (file.read_bytes(), b"no deck", b""):
        file.write_bytes(content)
        with pytest.raises(UsageError, match=r"was edited since, or is not by `verger slides`"):
            write_slides(orchard.store.root, "en", file)
        assert file.read_bytes() == content
    (tmp_path / "other.pdf").write_bytes(b"someone's")
    with pytest.raises(UsageError, match=r"other\.pdf already exists"):
        write_slides(orchard.store.root, "en", tmp_path / "other.pptx")


@pytest.mark.slow
def test_what_cannot_be_is_said_in_a_line(orchard: Orchard, tmp_path: Path) -> None:
    for output in ("talk.odp", ".pptx", "folder/"):
        with pytest.raises(UsageError, match=r"name a file that ends in \.pptx"):
            write_slides(orchard.store.root, "en", output)
    with pytest.raises(UsageError, match="slides are in en or fr"):
        write_slides(orchard.store.root, "de")
    with pytest.raises(StoreError, match="No finished run in"):
        write_slides(tmp_path)


def test_the_map_puts_each_photo_where_its_components_are() -> None:
    red, blue = (encoded((255, 0, 0)), encoded((0, 0, 255)))
    points = np.array([[0.0, 0.0], [1.0, 1.0]])
    drawn = Image.open(io.BytesIO(scattered([red, blue], points, (200, 100), 20)))
    low, high = np.asarray(drawn)[90, 10], np.asarray(drawn)[10, 190]
    assert low[0] > 200 > low[2]  # left and down
    assert high[2] > 200 > high[0]  # right and up


def encoded(colour: tuple[int, int, int]) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(out, "JPEG", quality=95)
    return out.getvalue()


if libreoffice():  # not a part of CI, which would spend a minute on installing it

    def test_libreoffice_makes_a_pdf_of_as_many_pages(orchard: Orchard, tmp_path: Path) -> None:
        written = write_slides(orchard.store.root, "en", tmp_path / "talk.pptx")
        pdf = Path(written.pdf).read_bytes()
        assert pdf.startswith(b"%PDF")
        assert len(re.findall(rb"/Type\s*/Page[^s]", pdf)) == 19
