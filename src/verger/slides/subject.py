"""What all slides are about: a report's data, in one language, with names made harmless."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from verger.gallery.calibration import Calibration
from verger.report.data import Report
from verger.report.neighbours import unit
from verger.report.reading import spread
from verger.report.thumbnails import opened
from verger.slides import images
from verger.slides.boxes import Box
from verger.slides.drawing import Page
from verger.slides.text import Line, clean, isolated, on_one_line
from verger.slides.words import Words


@dataclass(frozen=True, slots=True)
class Subject:
    """A run and how it is told.

    calibration: of the gallery; None where the STORE has none
    author:      who presents; nobody where it is empty
    """

    report: Report
    words: Words
    store: str
    calibration: Calibration | None = None
    author: str = ""

    @property
    def record(self) -> Mapping[str, Any]:
        """The run record."""
        return self.report.record

    @property
    def rented(self) -> str:
        """On what it was computed, where that cost something; empty elsewhere."""
        cost = self.record.get("cost")
        return clean(str(cost["where"])) if cost else ""

    @property
    def photos(self) -> int:
        """How many photos were embedded."""
        return len(self.report.photos)

    @property
    def features(self) -> int:
        """How many features a photo has."""
        return int(self.record["backbone"]["features"])

    @property
    def name(self) -> str:
        """What the photos are called: the folder that they were in, else the STORE."""
        folder = PurePosixPath(str(self.record.get("photos", ""))).name
        return clean(folder or self.store) or "–"

    def label(self, code: int) -> str:
        """Return a label by its code; a dash where there is none."""
        return clean(self.report.photos.names[code]) or "–" if code >= 0 else "–"

    def quoted(self, code: int) -> str:
        """Return a label for use in a sentence; one that is too long for that is cut."""
        return isolated(on_one_line(self.label(code), 14, 2.2))

    def label_of(self, row: int) -> str:
        """Return the label of a row of the sample."""
        return self.label(int(self.report.codes[row]))

    def thumbnail(self, row: int) -> bytes:
        """Return the thumbnail of a row of the sample."""
        return self.report.sample.thumbnails.get(int(self.report.sample.rows[row]), b"")

    def show(
        self, page: Page, box: Box, row: int, caption: str | None = None, edge: str | None = None
    ) -> None:
        """Show one photo of the sample and, where it is given, a line below it."""
        room = box if caption is None else Box(box.left, box.top, box.width, box.height - 0.26)
        image = opened(self.thumbnail(row))
        what = self.words("picture.photo", label=self.label_of(row))
        if image is None:
            page.card(room, [Line("?", 16, colour="soft", centred=True)], anchor="middle", margin=0)
        else:
            page.picture(room, images.jpeg(image), what, edge=edge)
        if caption is not None:
            below = Box(box.left, box.bottom - 0.23, box.width, 0.21)
            text = on_one_line(caption, 11, below.width)
            page.text(below, [Line(text, 11, colour="soft", centred=True)])

    def spread(self, most: int) -> list[int]:
        """Choose rows of the sample evenly over labels; fewer where there are fewer."""
        return spread(self.report.codes, most)

    def nearest_after(self, rows: Sequence[int], most: int) -> list[list[int]]:
        """Return the nearest others of some rows of the sample, by cosine after reduction."""
        placed = unit(self.report.pca.transform(self.report.sample.features))
        out = []
        for row in rows:
            closeness = placed @ placed[row]
            closeness[row] = -np.inf
            order = np.argsort(-closeness, kind="stable")[: min(most, len(placed) - 1)]
            out.append([int(at) for at in order])
        return out
