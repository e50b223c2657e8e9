"""How it works: the architecture as a diagram, its bricks, and the steps with real images."""

from __future__ import annotations

import math
from itertools import pairwise

from PIL import Image

from verger.embed.card import framing_of
from verger.report.thumbnails import opened
from verger.slides import images
from verger.slides.boxes import BODY, Box, columns, rows
from verger.slides.deck import Deck
from verger.slides.drawing import Page
from verger.slides.subject import Subject
from verger.slides.text import Line, clean

_LANES = (
    ("embed", ("photos", "list", "decode", "network", "features")),
    ("reduce", ("moments", "pca", "project", "matrix", "gallery")),
    ("use", ("report", "slides", "notebook", "identify", "serve")),
)
_LOWER = 0.35  # of the images of the steps, below where other slides begin
_KEPT = ("photos", "features", "matrix", "gallery")  # data; the rest is work
_BRICKS = ("spark", "java", "obstore", "pillow", "onnx", "numpy", "parquet", "fastapi")


def architecture(deck: Deck, about: Subject) -> None:
    """The chain as a diagram: three lanes, and what is kept between them."""
    words = about.words
    page = deck.page(words("architecture.title"), words("architecture.notes"))
    lanes = rows(BODY, len(_LANES), 0.46)
    before: Box | None = None
    for lane, (name, steps) in zip(lanes, _LANES, strict=True):
        page.card(lane, fill="wash", edge=None)
        side = Box(lane.left + 0.2, lane.top, 1.45, lane.height)
        lines = [
            Line(words(f"architecture.{name}"), 17, bold=True, colour="accent"),
            Line(words(f"architecture.{name}_where"), 12, colour="soft", before=2),
        ]
        page.text(side, lines, anchor="middle")
        room = Box(side.right + 0.2, lane.top + 0.17, lane.right - side.right - 0.4,
                   lane.height - 0.34)  # fmt: skip
        boxes = columns(room, len(steps), 0.34)
        for box, step in zip(boxes, steps, strict=True):
            _step(page, box, about, step)
        if name != "use":  # what is used needs no order
            # The gallery, last of its lane, is made of features, not of the matrix.
            page.arrows(boxes[:-1] if name == "reduce" else boxes, 0.03)
        if before is not None:
            _from_lane_to_lane(page, before, lane, boxes[0])
        before = lane
    _rejects(page, about, lanes[0])


def _step(page: Page, box: Box, about: Subject, step: str) -> None:
    kept = step in _KEPT
    lines = [
        Line(about.words(f"architecture.{step}"), 14, bold=True, centred=True),
        Line(about.words(f"architecture.{step}_how"), 11, colour="soft", centred=True),
    ]
    page.card(
        box, lines, edge="accent" if kept else "line", anchor="middle", margin=0.06, sharp=kept
    )


def _from_lane_to_lane(page: Page, above: Box, below: Box, first: Box) -> None:
    """Lead from the last box of a lane to the first one of the next."""
    middle = (above.bottom + below.top) / 2
    last = above.right - 0.2 - first.width / 2
    start, end = above.bottom - 0.17 + 0.03, first.top - 0.03
    into = first.left + first.width / 2
    page.bent_arrow([(last, start), (last, middle), (into, middle), (into, end)])


def _rejects(page: Page, about: Subject, lane: Box) -> None:
    count = int(about.record["counts"]["rejected"])
    text = about.words("architecture.rejects", count=about.words.count(count, "photo"))
    box = Box(lane.left + 5.2, lane.bottom + 0.02, 4.2, 0.2)
    page.text(box, [Line(text, 11, colour="second")])


def bricks(deck: Deck, about: Subject) -> None:
    """What each library is there for."""
    words, record = about.words, about.record
    page = deck.page(words("bricks.title"), words("bricks.notes"))
    versions, backbone = record["versions"], record["backbone"]
    values = {
        "spark": clean(str(versions.get("spark", "")))[:20],
        "java": clean(str(versions.get("java", "")))[:20],
        "backbone": clean(str(backbone["name"]))[:40],
        "license": clean(str(backbone["license"]))[:30],
        "features": words.number(about.features),
    }
    head = [words(f"bricks.{name}") for name in ("brick", "role", "why")]
    table = [head]
    table += [
        [words(f"bricks.{brick}{part}", **values).strip() for part in ("", "_role", "_why")]
        for brick in _BRICKS
    ]
    page.table(BODY, table, (2.5, 4.6, 5.0))


def steps(deck: Deck, about: Subject) -> None:
    """One real photo on its way through the chain."""
    words, report = about.words, about.report
    tried = ((row, opened(about.thumbnail(row))) for row in about.spread(7)[::-1])
    found = [(row, image) for row, image in tried if image is not None]
    if not found:
        return
    row, image = found[len(found) // 2]
    at = int(report.sample.rows[row])
    framing = framing_of(about.record["backbone"])
    values = {
        "size": words.number(framing.size),
        "views": words.number(len(framing.views)),
        "features": words.number(about.features),
        "k": words.count(report.pca.k, "number"),
        "width": words.number(int(report.photos.width[at])),
        "height": words.number(int(report.photos.height[at])),
    }
    page = deck.page(words("steps.title", **values), words("steps.notes", **values))
    drawn = _drawn(about, row, image)
    boxes = columns(BODY, len(drawn), 0.75)
    for box, (step, data, share) in zip(boxes, drawn, strict=True):
        frame = Box(box.left, box.top + _LOWER, box.width, min(box.width, 3.0))
        page.picture(_scaled(frame, *share), data, words(f"steps.{step}", **values))
        said = "views" if step == "square" and len(framing.views) > 1 else step
        lines = [
            Line(words(f"steps.{step}", **values), 17, bold=True, colour="accent"),
            Line(words(f"steps.{said}_text", **values), 16, before=4),
        ]
        below = Box(box.left, frame.bottom + 0.25, box.width, BODY.bottom - frame.bottom - 0.25)
        page.text(below, lines)
    for one, two in pairwise(boxes):
        middle = one.top + _LOWER + min(one.width, 3.0) / 2
        page.arrow((one.right + 0.12, middle), (two.left - 0.12, middle))


def _drawn(
    about: Subject, row: int, image: Image.Image
) -> list[tuple[str, bytes, tuple[float, float]]]:
    """Draw the steps of one photo: each step's name, its picture, and its share of the room."""
    report, framing = about.report, framing_of(about.record["backbone"])
    widest, *closer = framing.views
    square = images.central_square(image, framing.size / widest)
    square = images.framed(square, [widest / view for view in closer])
    features = report.sample.features[row]
    projected = report.pca.transform(report.sample.features[row : row + 1])[0]
    wide = max(1, round(math.sqrt(len(features))))
    whole = (1.0, 1.0)
    drawn = [
        ("photo", images.jpeg(image), whole),
        ("square", images.jpeg(square), whole),
        ("features", images.cells(features, wide), whole),
    ]
    if len(projected):
        # As many cells as there are numbers, each as large as a feature's.
        across = min(wide, len(projected))
        high = math.ceil(len(projected) / wide) / math.ceil(len(features) / wide)
        share = (across / wide, high) if len(projected) < len(features) else whole
        drawn.append(("row", images.cells(projected, across), share))
    return drawn


def _scaled(frame: Box, across: float, down: float) -> Box:
    """Return the middle of a frame: these shares of its sides, and no line that nobody sees."""
    wide, high = frame.width * across, max(frame.height * down, 0.1)
    return Box(
        frame.left + (frame.width - wide) / 2, frame.top + (frame.height - high) / 2, wide, high
    )
