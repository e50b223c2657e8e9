"""Text that fits: names made harmless, widths measured, sizes and words cut to a box.

Widths are those of the font that Pillow carries, which are within 2% of Arial's
where Latin letters are concerned; so slides come out the same on machines without any font.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from PIL import ImageFont

POINTS = 72.0  # an inch
LINE_HEIGHT = 1.2  # of the size
SMALLEST = 10.0  # points
_MEASURED_AT = 200
_BOLDER = 1.07  # Arial Bold over Arial
_SPARE = 0.96  # of a box's width that is filled: renderers round differently
_SPARE_LINE = 0.92  # of the width of a line that must stay one
_MARKED = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")  # they turn text around
_ISOLATE, _ISOLATE_END = "\u2068", "\u2069"


@dataclass(frozen=True, slots=True)
class Line:
    """One paragraph: its text, its size in points, and how it looks.

    `colour` names one of the palette; `before` is the space above it in points.
    """

    text: str
    size: float
    bold: bool = False
    colour: str = "ink"
    bullet: bool = False
    before: float = 0.0
    centred: bool = False


def clean(text: str) -> str:
    """Return a name as one line that XML can hold and that turns no text around it."""
    plain = (c if c.isspace() or _is_text(c) else "\ufffd" for c in _MARKED.sub("", text))
    return " ".join("".join(plain).split())


def _is_text(character: str) -> bool:
    """Say whether it is none of control characters, halves of pairs, and no characters at all."""
    return unicodedata.category(character) not in ("Cc", "Cs", "Cn")


def isolated(name: str) -> str:
    """Return a clean name for use in a sentence: what is written from the right stays in place."""
    if any(unicodedata.bidirectional(c) in ("R", "AL", "AN") for c in name):
        return f"{_ISOLATE}{name}{_ISOLATE_END}"
    return name


def width(text: str, size: float, *, bold: bool = False) -> float:
    """Return the width of a text on one line, in inches."""
    ems = sum(_ems(word) for word in re.split("( )", text))
    return ems * size * (_BOLDER if bold else 1) / POINTS


@cache
def _ems(word: str) -> float:
    latin = "".join(c for c in word if ord(c) < 0x250 or 0x2010 <= ord(c) < 0x2040)
    return _font().getlength(latin) / _MEASURED_AT + sum(_other(c) for c in word if c not in latin)


@cache
def _font() -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(_MEASURED_AT)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise TypeError("this Pillow was built without FreeType")
    # Letter by letter: shaping fails on some hostile texts.
    return font.font_variant(layout_engine=ImageFont.Layout.BASIC)


def _other(character: str) -> float:
    """Return a width, in ems, that no common font exceeds."""
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0.0
    if ord(character) >= 0x1F000:
        return 1.4
    return 1.05 if unicodedata.east_asian_width(character) in "WF" else 0.9


def wrap(text: str, size: float, across: float, *, bold: bool = False) -> list[str]:
    """Break a text into lines of at most `across` inches, within words where one is too long."""
    most = across * _SPARE
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if width(longer, size, bold=bold) <= most:
            line = longer
            continue
        if line:
            lines.append(line)
        line = word
        while width(line, size, bold=bold) > most and len(line) > 1:
            at = max(_fitting(line, size, most, bold=bold), 1)
            lines.append(line[:at])
            line = line[at:]
    return [*lines, line]


def _fitting(text: str, size: float, most: float, *, bold: bool) -> int:
    """Return how many characters fit."""

    def across(count: int) -> float:
        return width(text[:count], size, bold=bold)

    return max(bisect_right(range(len(text) + 1), most, key=across) - 1, 0)


def on_one_line(text: str, size: float, across: float, *, bold: bool = False) -> str:
    """Return the text, its end cut off by an ellipsis where it is wider than `across` inches."""
    if width(text, size, bold=bold) <= across * _SPARE_LINE:
        return text
    room = across * _SPARE_LINE - width("…", size, bold=bold)
    return text[: _fitting(text, size, room, bold=bold)].rstrip() + "…"


def fit(lines: Sequence[Line], across: float, down: float) -> list[Line]:
    """Return lines that fit a box of `across` × `down` inches.

    All sizes go down together, to 10 points or three quarters; what is still too much ends in an
    ellipsis.
    """
    scale = 1.0
    tried = list(lines)
    while height(tried, across) > down and scale > 0.75:
        scale -= 0.025
        tried = [
            replace(line, size=max(min(SMALLEST, line.size), round(line.size * scale, 1)))
            for line in lines
        ]
    return tried if height(tried, across) <= down else _cut(tried, across, down)


def height(lines: Sequence[Line], across: float) -> float:
    """Return how high the lines are in a box `across` inches wide."""
    return sum(
        len(_wrapped(line, across)) * line.size * LINE_HEIGHT + line.before for line in lines
    ) / POINTS  # fmt: skip


def indent(line: Line) -> float:
    """Return how far a bullet moves a line's text, in inches."""
    return line.size * 1.1 / POINTS if line.bullet else 0.0


def _wrapped(line: Line, across: float) -> list[str]:
    return wrap(line.text, line.size, across - indent(line), bold=line.bold)


def _cut(lines: Sequence[Line], across: float, down: float) -> list[Line]:
    kept: list[Line] = []
    left = down
    for line in lines:
        left -= line.before / POINTS
        each = line.size * LINE_HEIGHT / POINTS
        rows, whole = int((left + 1e-9) / each), _wrapped(line, across)
        if rows < 1:
            break
        left -= min(rows, len(whole)) * each
        if rows < len(whole):
            room = across - indent(line)
            last = on_one_line(" ".join(whole[rows - 1 :]), line.size, room, bold=line.bold)
            kept.append(replace(line, text=" ".join([*whole[: rows - 1], last])))
            break
        kept.append(line)
    return kept
