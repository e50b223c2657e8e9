"""What is drawn on a slide; all lengths are inches, all sizes points."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from lxml import etree
from PIL import Image
from pptx.dml.color import RGBColor
from pptx.enum.shapes import MSO_CONNECTOR, MSO_SHAPE
from pptx.enum.text import MSO_ANCHOR, PP_ALIGN
from pptx.oxml.ns import qn
from pptx.util import Inches, Pt

from verger.slides.boxes import LEFT, RIGHT, TITLE, Box
from verger.slides.text import Line, fit, indent, on_one_line, wrap

FONT = "Arial"  # LibreOffice and PowerPoint set it alike: Liberation Sans has its widths
# The report's.
PALETTE = {
    "paper": "F8F6F0", "card": "FFFFFF", "ink": "1D2620", "soft": "566058", "line": "E1DDD1",
    "accent": "2A6A3C", "second": "B4531A", "wash": "E9F1E6", "bad": "B3261E", "light": "9DBFA5",
}  # fmt: skip


class Page:
    """One slide under way."""

    def __init__(
        self, slide: Any, title: str, *, footer: str, number: int, language: Any, opening: bool
    ) -> None:
        self.slide = slide
        self._language = language
        shape = slide.shapes.title
        box = Box(0.9, 2.0, 6.6, 1.9) if opening else TITLE
        size = 40.0 if opening else _title_size(title, box.width)
        move(shape, box)
        anchor = "bottom" if opening else "middle"
        self._write(shape, box, [Line(title, size, bold=True)], anchor=anchor)
        if not opening:
            self._foot(footer, number)

    def _foot(self, footer: str, number: int) -> None:
        line = Line(on_one_line(footer, 10, 10.5), 10, colour="soft")
        self.text(Box(LEFT, 7.05, 10.5, 0.25), [line])
        shape = self.text(Box(RIGHT - 1, 7.05, 1, 0.25), [Line("0", 10, colour="soft")])
        paragraph = shape.text_frame.paragraphs[0]
        paragraph.alignment = PP_ALIGN.RIGHT
        run = paragraph.runs[0]._r
        field = etree.Element(qn("a:fld"), id="{B6F15528-21DE-4FAA-801E-634DDDAF4B2B}")
        field.set("type", "slidenum")
        field.extend(list(run))
        field.find(qn("a:t")).text = str(number)
        run.getparent().replace(run, field)

    def text(self, box: Box, lines: Sequence[Line], *, anchor: str = "top") -> Any:
        """Write paragraphs into a box; they are made to fit it."""
        shape = self.slide.shapes.add_textbox(*_emu(box))
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

    def tiles(self, boxes: Sequence[Box], figures: Sequence[tuple[str, str]]) -> None:
        """Show figures, large, and what each is."""
        for box, (figure, what) in zip(boxes, figures, strict=True):
            lines = [Line(figure, 28, bold=True, colour="accent"), Line(what, 13, colour="soft")]
            self.card(box, lines, anchor="middle")

    def headed(self, box: Box, heading: str) -> Box:
        """Write a heading at the top of a box; return what is left below."""
        head, _ = box.above(0.35)
        self.text(head, [Line(heading, 16, bold=True)])
        return box._replace(top=head.bottom, height=box.height - head.height)

    def arrows(self, boxes: Sequence[Box], gap: float) -> None:
        """Draw an arrow from each box to the next one on its right."""
        for one, two in pairwise(boxes):
            middle = one.top + one.height / 2
            self.arrow((one.right + gap, middle), (two.left - gap, middle))

    def arrow(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Draw a straight arrow."""
        line = self.slide.shapes.add_connector(
            MSO_CONNECTOR.STRAIGHT, *(Inches(at) for at in (*start, *end))
        )
        _arrowhead(line)

    def bent_arrow(self, points: Sequence[tuple[float, float]]) -> None:
        """Draw an arrow along points."""
        first, *others = ((Inches(x), Inches(y)) for x, y in points)
        builder = self.slide.shapes.build_freeform(*first)
        builder.add_line_segments(others, close=False)
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
            font.language_id = self._language


def _title_size(title: str, across: float) -> float:
    """Return a size at which a title stands on one line, if one that is not much smaller does."""
    sizes = (28.0, 27.0, 26.0, 25.0, 24.0)
    return next((s for s in sizes if len(wrap(title, s, across, bold=True)) == 1), sizes[0])


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


def move(shape: Any, box: Box) -> None:
    """Put a shape into a box."""
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
