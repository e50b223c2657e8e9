"""A deck of 16:9 slides: its size, looks and language."""

from __future__ import annotations

import datetime as dt
import io
from typing import Any

from lxml import etree
from pptx import Presentation
from pptx.enum.lang import MSO_LANGUAGE_ID
from pptx.opc.constants import RELATIONSHIP_TYPE as RELATION
from pptx.oxml.ns import qn
from pptx.util import Inches

from verger.slides.boxes import HIGH, TITLE, WIDE
from verger.slides.drawing import FONT, PALETTE, Page, move, rgb

MADE_BY = "Verger"
_LANGUAGES = {"en": MSO_LANGUAGE_ID.ENGLISH_UK, "fr": MSO_LANGUAGE_ID.FRENCH}
_TITLE_ONLY = 5  # of the layouts that python-pptx brings
_THEME_COLOURS = {
    "dk1": "ink", "lt1": "card", "dk2": "accent", "lt2": "paper", "accent1": "accent",
    "accent2": "second", "accent3": "light", "accent4": "soft", "accent5": "line",
    "accent6": "wash", "hlink": "accent", "folHlink": "soft",
}  # fmt: skip


class Deck:
    """A presentation under way."""

    def __init__(self, title: str, language: str, made: dt.datetime, author: str = "") -> None:
        self._deck = Presentation()
        self._deck.slide_width, self._deck.slide_height = Inches(WIDE), Inches(HIGH)
        self.language = _LANGUAGES[language]
        self.footer = title
        properties = self._deck.core_properties
        properties.title, properties.author = title[:255], (author or MADE_BY)[:255]
        properties.last_modified_by = MADE_BY
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
        return Page(
            slide,
            title,
            footer=self.footer,
            number=len(self),
            language=self.language,
            opening=opening,
        )

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
                    move(shape, TITLE)
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


def made_by_verger(core: bytes) -> bool:
    """Say whether a deck's docProps/core.xml was last written by Verger, and not edited since."""
    return f"<cp:lastModifiedBy>{MADE_BY}</".encode() in core
