"""A deck of 16:9 slides and what is drawn on them; all lengths are inches, all sizes points."""

from __future__ import annotations

import datetime as dt
import io
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from lxml import etree
from PIL import Image
from pptx import Presentation
from pptx.dml.color import RGBColor
from pptx.enum.lang import MSO_LANGUAGE_ID
from pptx.enum.shapes import MSO_CONNECTOR, MSO_SHAPE
from pptx.enum.text import MSO_ANCHOR, PP_ALIGN
from pptx.opc.constants import RELATIONSHIP_TYPE as RELATION
from pptx.oxml.ns import qn
from pptx.util import Inches, Pt

from verger.slides.text import Line, fit, indent, on_one_line, wrap

FONT = "Arial"  # LibreOffice and PowerPoint set it alike: Liberation Sans has its widths
WIDE, HIGH = 13.333, 7.5
LEFT, TOP, RIGHT, BOTTOM = 0.6, 1.62, 12.733, 6.85
# The report's.
PALETTE = {
    "paper": "F8F6F0", "card": "FFFFFF", "ink": "1D2620", "soft": "566058", "line": "E1DDD1",
    "accent": "2A6A3C", "second": "B4531A", "wash": "E9F1E6", "bad": "B3261E", "light": "9DBFA5",
}  # fmt: skip
MADE_BY = "Verger"
_LANGUAGES = {"en": MSO_LANGUAGE_ID.ENGLISH_UK, "fr": MSO_LANGUAGE_ID.FRENCH}
_TITLE_ONLY = 5  # of the layouts that python-pptx brings
_THEME_COLOURS = {
    "dk1": "ink", "lt1": "card", "dk2": "accent", "lt2": "paper", "accent1": "accent",
    "accent2": "second", "accent3": "light", "accent4": "soft", "accent5": "line",
    "accent6": "wash", "hlink": "accent", "folHlink": "soft",
}  # fmt: skip


class Box(NamedTuple):
    """Where something stands."""

    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Its right edge."""
        return self.left + self.width

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.top + self.height

    def inside(self, across: float, down: float | None = None) -> Box:
        """Return the box that lies within it, at that distance from its edges."""
        down = across if down is None else down
        return Box(
            self.left + across, self.top + down, self.width - 2 * across, self.height - 2 * down
        )


BODY = Box(LEFT, TOP, RIGHT - LEFT, BOTTOM - TOP)


def columns(box: Box, count: int, gap: float = 0.3) -> list[Box]:
    """Divide a box into equal columns."""
    wide = (box.width - gap * (count - 1)) / count
    return [Box(box.left + (wide + gap) * at, box.top, wide, box.height) for at in range(count)]


def rows(box: Box, count: int, gap: float = 0.2) -> list[Box]:
    """Divide a box into equal rows."""
    high = (box.height - gap * (count - 1)) / count
    return [Box(box.left, box.top + (high + gap) * at, box.width, high) for at in range(count)]


class Deck:
    """A presentation under way."""

    def __init__(self, title: str, language: str, made: dt.datetime) -> None:
        self._deck = Presentation()
        self._deck.slide_width, self._deck.slide_height = Inches(WIDE), Inches(HIGH)
        self.language = _LANGUAGES[language]
        self.footer = title
        properties = self._deck.core_properties
        properties.title, properties.author, properties.last_modified_by = title, MADE_BY, MADE_BY
        properties.created = properties.modified = made
        properties.comments = ""
        properties.language = {"en": "en-GB", "fr": "fr-FR"}[language]
        self._layout = self._only_layout()
        self._theme()
        # The empty template's.
        self._drop(RELATION.THUMBNAIL, self._deck.part.package)
        self._drop(RELATION.PRINTER_SETTINGS, self._deck.part)

    def page(self, title: str, notes: str, *, opening: bool = False) -> Page:
        """Add a slide: its title, and what to say with it."""
        slide = self._deck.slides.add_slide(self._layout)
        slide.notes_slide.notes_text_frame.text = notes
        return Page(self, slide, title, opening=opening)

    def as_bytes(self) -> bytes:
        """Return the deck as a .pptx file."""
        out = io.BytesIO()
        self._deck.save(out)
        return out.getvalue()

    def __len__(self) -> int:
        return len(self._deck.slides)

    def _only_layout(self) -> Any:
        """Keep the one layout that is used, and give it the size and looks of our slides."""
        layouts = self._deck.slide_layouts
        layout = layouts[_TITLE_ONLY]
        for other in [one for one in layouts if one is not layout]:
            layouts.remove(other)
        for holder in (self._deck.slide_master, layout):
            for shape in list(holder.placeholders):
                if shape.placeholder_format.type == 1:  # the title
                    _move(shape, _TITLE)
                else:
                    shape.element.getparent().remove(shape.element)
        background = self._deck.slide_master.background.fill
        background.solid()
        background.fore_color.rgb = rgb("paper")
        return layout

    def _drop(self, kind: str, of: Any) -> None:
        for name in [name for name, rel in of._rels.items() if rel.reltype == kind]:
            of.drop_rel(name)

    def _theme(self) -> None:
        """Put the palette and the font into the theme, so that what a person adds has them too."""
        part = self._deck.slide_master.part.part_related_by(RELATION.THEME)
        theme = etree.fromstring(part.blob, etree.XMLParser(resolve_entities=False))
        for name, colour in _THEME_COLOURS.items():
            (slot,) = theme.iter(qn(f"a:{name}"))
            for old in list(slot):
                slot.remove(old)
            etree.SubElement(slot, qn("a:srgbClr"), val=PALETTE[colour])
        for kind in ("majorFont", "minorFont"):
            (font,) = theme.iter(qn(f"a:{kind}"))
            font.find(qn("a:latin")).set("typeface", FONT)
        part._blob = etree.tostring(theme, xml_declaration=True, encoding="UTF-8", standalone=True)


_TITLE = Box(LEFT, 0.42, RIGHT - LEFT, 1.0)


class Page:
    """One slide under way."""

    def __init__(self, deck: Deck, slide: Any, title: str, *, opening: bool) -> None:
        self.deck = deck
        self.slide = slide
        shape = slide.shapes.title
        box = Box(0.9, 2.0, 6.6, 1.9) if opening else _TITLE
        size = 40.0 if opening else _title_size(title, box.width)
        _move(shape, box)
        anchor = "bottom" if opening else "middle"
        self._write(shape, box, [Line(title, size, bold=True)], anchor=anchor)
        if not opening:
            self._foot()

    def _foot(self) -> None:
        line = Line(on_one_line(self.deck.footer, 10, 10.5), 10, colour="soft")
        self.text(Box(LEFT, 7.05, 10.5, 0.25), [line])
        number = self.text(Box(RIGHT - 1, 7.05, 1, 0.25), [Line("0", 10, colour="soft")])
        paragraph = number.text_frame.paragraphs[0]
        paragraph.alignment = PP_ALIGN.RIGHT
        run = paragraph.runs[0]._r
        field = etree.Element(qn("a:fld"), id="{B6F15528-21DE-4FAA-801E-634DDDAF4B2B}")
        field.set("type", "slidenum")
        field.extend(list(run))
        field.find(qn("a:t")).text = str(len(self.deck))
        run.getparent().replace(run, field)

    def text(self, box: Box, lines: Sequence[Line], *, anchor: str = "top", name: str = "") -> Any:
        """Write paragraphs into a box; they are made to fit it."""
        shape = self.slide.shapes.add_textbox(*_emu(box))
        if name:
            shape.name = name
        self._write(shape, box, lines, anchor=anchor)
        return shape

    def card(
        self,
        box: Box,
        lines: Sequence[Line] = (),
        *,
        fill: str = "card",
        edge: str | None = "line",
        anchor: str = "top",
        margin: float = 0.18,
        sharp: bool = False,
    ) -> Any:
        """Draw a rounded box with text in it."""
        kind = MSO_SHAPE.RECTANGLE if sharp else MSO_SHAPE.ROUNDED_RECTANGLE
        shape = self.slide.shapes.add_shape(kind, *_emu(box))
        if not sharp:
            shape.adjustments[0] = min(0.5, 0.1 / min(box.width, box.height))
        _flat(shape)
        shape.fill.solid()
        shape.fill.fore_color.rgb = rgb(fill)
        if edge:
            shape.line.color.rgb = rgb(edge)
            shape.line.width = Pt(1)
        else:
            shape.line.fill.background()
        self._write(shape, box, lines, anchor=anchor, margin=margin)
        return shape

    def tile(self, box: Box, figure: str, what: str) -> None:
        """Show one figure, large, and what it is."""
        lines = [Line(figure, 28, bold=True, colour="accent"), Line(what, 13, colour="soft")]
        self.card(box, lines, anchor="middle")

    def arrow(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Draw a straight arrow."""
        line = self.slide.shapes.add_connector(
            MSO_CONNECTOR.STRAIGHT, *(Inches(at) for at in (*start, *end))
        )
        _arrowhead(line)

    def bent_arrow(self, points: Sequence[tuple[float, float]]) -> None:
        """Draw an arrow along points."""
        scale = 914_400
        builder = self.slide.shapes.build_freeform(
            round(points[0][0] * scale), round(points[0][1] * scale)
        )
        builder.add_line_segments(
            [(round(x * scale), round(y * scale)) for x, y in points[1:]], close=False
        )
        shape = builder.convert_to_shape()
        shape.fill.background()
        _arrowhead(shape)

    def picture(self, box: Box, data: bytes, what: str, *, edge: str | None = None) -> Box:
        """Show a picture, undistorted, in the middle of the box; return where it stands.

        `what` says what it is, for who cannot see it.
        """
        with Image.open(io.BytesIO(data)) as image:
            across, down = image.size
        scale = min(box.width / across, box.height / down)
        wide, high = across * scale, down * scale
        at = Box(box.left + (box.width - wide) / 2, box.top + (box.height - high) / 2, wide, high)
        shape = self.slide.shapes.add_picture(io.BytesIO(data), *_emu(at))
        describe(shape, what)
        if edge:
            shape.line.color.rgb = rgb(edge)
            shape.line.width = Pt(2.25)
        return at

    def table(
        self, box: Box, cells: Sequence[Sequence[str]], shares: Sequence[float], size: float = 13
    ) -> None:
        """Show a table whose first row is its head; `shares` divide its width."""
        high = box.height / len(cells)
        frame = self.slide.shapes.add_table(len(cells), len(shares), *_emu(box))
        table = frame.table
        properties = table._tbl.tblPr
        properties.set("bandRow", "0")
        for column, share in zip(table.columns, shares, strict=True):
            column.width = Inches(box.width * share / sum(shares))
        for at, texts in enumerate(cells):
            table.rows[at].height = Inches(high)
            for column, text in enumerate(texts):
                cell = table.cell(at, column)
                wide = box.width * shares[column] / sum(shares)
                cell.margin_left = cell.margin_right = Inches(0.1)
                cell.margin_top = cell.margin_bottom = Inches(0.03)
                cell.vertical_anchor = MSO_ANCHOR.MIDDLE
                cell.fill.solid()
                cell.fill.fore_color.rgb = rgb("wash" if not at else "card")
                line = Line(text, size, bold=not at or not column)
                fitted = fit([line], wide - 0.2, high - 0.06)
                self._paragraphs(cell.text_frame, fitted)

    def _write(
        self,
        shape: Any,
        box: Box,
        lines: Sequence[Line],
        *,
        anchor: str = "top",
        margin: float = 0.0,
    ) -> None:
        frame = shape.text_frame
        frame.word_wrap = True
        frame.margin_left = frame.margin_right = Inches(margin)
        frame.margin_top = frame.margin_bottom = Inches(margin / 2)
        frame.vertical_anchor = {
            "top": MSO_ANCHOR.TOP, "middle": MSO_ANCHOR.MIDDLE, "bottom": MSO_ANCHOR.BOTTOM,
        }[anchor]  # fmt: skip
        room = box.inside(margin, margin / 2)
        self._paragraphs(frame, fit(lines, room.width, room.height))

    def _paragraphs(self, frame: Any, lines: Sequence[Line]) -> None:
        for at, line in enumerate(lines):
            paragraph = frame.paragraphs[0] if not at else frame.add_paragraph()
            paragraph.alignment = PP_ALIGN.CENTER if line.centred else PP_ALIGN.LEFT
            paragraph.line_spacing = 1.0
            paragraph.space_before = Pt(line.before)
            if line.bullet:
                _bullet(paragraph, indent(line))
            run = paragraph.add_run()
            run.text = line.text
            font = run.font
            font.size, font.bold, font.name = Pt(line.size), line.bold, FONT
            font.color.rgb = rgb(line.colour)
            font.language_id = self.deck.language


def _title_size(title: str, across: float) -> float:
    """Return a size at which a title stands on one line, if one that is not much smaller does."""
    for size in (28.0, 27.0, 26.0, 25.0, 24.0):
        if len(wrap(title, size, across, bold=True)) == 1:
            return size
    return 28.0


def _flat(shape: Any) -> None:
    """Take the shadow of the theme's away."""
    for effect in shape._element.iter(qn("a:effectRef")):
        effect.set("idx", "0")


def describe(shape: Any, what: str) -> None:
    """Say what a picture or chart shows, for who cannot see it."""
    (properties,) = shape._element.iter(qn("p:cNvPr"))
    properties.set("descr", what)


def rgb(colour: str) -> RGBColor:
    """Return one of the palette's colours."""
    return RGBColor(*bytes.fromhex(PALETTE[colour]))


def _emu(box: Box) -> tuple[Any, Any, Any, Any]:
    left, top, width, height = (Inches(side) for side in box)
    return left, top, width, height


def _move(shape: Any, box: Box) -> None:
    shape.left, shape.top, shape.width, shape.height = _emu(box)


def _arrowhead(shape: Any) -> None:
    _flat(shape)
    shape.line.color.rgb = rgb("soft")
    shape.line.width = Pt(1.75)
    line = shape.line._get_or_add_ln()
    etree.SubElement(line, qn("a:tailEnd"), type="triangle", w="med", len="med")


def _bullet(paragraph: Any, hanging: float) -> None:
    properties = paragraph._p.get_or_add_pPr()
    properties.set("marL", str(Inches(hanging)))
    properties.set("indent", str(-Inches(hanging)))
    etree.SubElement(properties, qn("a:buFont"), typeface=FONT)
    etree.SubElement(properties, qn("a:buChar"), char="•")


def made_by_verger(core: bytes) -> bool:
    """Say whether a deck's docProps/core.xml was last written by Verger, and not edited since."""
    return re.search(rb"<cp:lastModifiedBy>([^<]*)</", core) is not None and (
        f"<cp:lastModifiedBy>{MADE_BY}</".encode() in core
    )
