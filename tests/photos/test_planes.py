"""TIFFs with a plane for each colour are the same picture, or unsupported."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from PIL import Image

from makers.planes import (
    DEFLATE,
    INVERTED,
    LAYOUTS,
    RAW,
    READ,
    SEEN,
    UNDECLARED,
    UNREAD,
    planes,
)
from pictures import encoded
from verger.photos.decode import decode
from verger.photos.reasons import Reason, Reject

pytestmark = pytest.mark.filterwarnings(r"ignore::Warning:PIL\..*")


def seen(data: bytes) -> np.ndarray:
    pixels: np.ndarray = decode(data).pixels[0].astype(int)
    return pixels


def shown_by_png(name: str) -> np.ndarray:
    return seen(encoded(Image.fromarray(SEEN[name]), "PNG"))


@pytest.mark.parametrize(("values", "photometric", "extra", "shown"), READ.values(), ids=READ)
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("order", ["<", ">"])
def test_colours_in_planes_are_those_of_the_same_side_by_side(
    values: Any, photometric: int, extra: tuple[int, ...], shown: str, bits: int, order: str
) -> None:
    right = shown_by_png(shown)
    for (compression, predictor), layout in product(
        ((RAW, 1), (DEFLATE, 1), (DEFLATE, 2)), LAYOUTS
    ):
        data = planes(
            values, photometric, extra, bits=bits, order=order, compression=compression,
            predictor=predictor, layout=layout,
        )  # fmt: skip
        assert np.abs(seen(data) - right).max() <= 2, (compression, predictor, layout)


def test_one_plane_alone_keeps_white_where_it_says_that_it_is() -> None:
    assert np.array_equal(seen(INVERTED), shown_by_png("shades"))


@pytest.mark.parametrize("data", [data for data, _ in UNREAD.values()], ids=UNREAD)
def test_what_would_be_read_wrongly_is_unsupported(data: bytes) -> None:
    for content, reason in ((data, Reason.UNSUPPORTED), (data[:-5000], Reason.TRUNCATED)):
        with pytest.raises(Reject) as caught:
            decode(content)
        assert caught.value.reason == reason


def test_an_alpha_that_is_not_declared_is_seen_in_eight_bits() -> None:
    right = shown_by_png("small waves over white")
    assert np.abs(seen(UNDECLARED) - right).max() <= 2
