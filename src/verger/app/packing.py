"""A gallery in the form that the app's scripts read: a header in JSON, arrays, small pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from verger.app.photo_choice import Ids, evenly, stands_for
from verger.gallery import Gallery
from verger.photos.decode import Framing
from verger.projections.discriminant import Discriminant
from verger.projections.moments import Vector
from verger.report.thumbnails import opened, webp
from verger.serve.varieties import Catalogue

MOST_PICTURES = 24  # of a label: what the page shows of it
_QUALITY = 70
_LEVELS = 32_767  # of a value, on each side of zero: with 127, confidences move by a point or two
_ALIGNED = 8  # bytes

Picture = Callable[[int], bytes]  # row of the gallery → its small picture


@dataclass(frozen=True, slots=True)
class Packed:
    """What the app knows of a gallery.

    header:    labels, species, calibration, where each array lies; `names.js` reads it
    arrays:    one after another
    pictures:  WebP, one after another; `header["pictures"]` says where each ends
    shown:     how many these are
    """

    header: dict[str, Any]
    arrays: bytes
    pictures: bytes
    shown: int


def pack(gallery: Gallery, framing: Framing, rows: Ids, pictures: int, small: Picture) -> Packed:
    """Pack the photos at `rows` of a gallery, and that many pictures of each label."""
    held = gallery.contents
    label_ids = held.label_ids[rows]
    vectors, scales = in_sixteen_bits(held.vectors[rows])
    centre, scale, components, input_ = _projection(gallery)
    layout, arrays = _laid_out(
        {
            "mean": centre.astype("<f4"),
            "scale": scale.astype("<f4"),
            "components": components.astype("<f4"),
            "means": held.means.astype("<f4"),
            "likenesses": held.likenesses.astype("<f4"),
            "scales": scales.astype("<f4"),
            "standsFor": stands_for(held.label_ids, rows).astype("<f4"),
            "labelIds": label_ids.astype("<i4"),
            "vectors": vectors,
        }
    )
    unlabelled, *mine = (np.flatnonzero(label_ids == at) for at in range(-1, len(gallery.labels)))
    shown = [evenly(ids, pictures).tolist() for ids in mine]
    all_shown = {photo for ids in (*shown, evenly(unlabelled, pictures)) for photo in ids}
    ends, images = _pictures(rows, all_shown, small)
    header = {
        **_told(Catalogue(gallery, max(framing.views)), mine, shown),
        "groups": list(gallery.groups),
        "calibration": gallery.calibration.as_record(),
        "input": input_,
        "arrays": layout,
        "pictures": ends,
    }
    return Packed(header, arrays, images, len(all_shown))


def in_sixteen_bits(
    vectors: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.float32]]:
    """Round vectors (n, k) of length 1 to whole numbers: int16 (n, k), and a scale (n,) for each.

    Numbers times scale have length 1 again, so that products with it are cosines.
    """
    largest = np.abs(vectors).max(axis=1, initial=0, keepdims=True)
    whole = np.rint(vectors * (_LEVELS / np.where(largest > 0, largest, 1))).astype("<i2")
    lengths = np.linalg.norm(whole.astype(np.float64), axis=1)
    return whole, np.divide(1, lengths, out=np.zeros(len(lengths)), where=lengths > 0).astype("f4")


def _projection(gallery: Gallery) -> tuple[Vector, Vector, npt.NDArray[np.float64], str]:
    """Return mean (d,), scale (d,) and components (k, d), and how rows are prepared for them."""
    model = gallery.projector.model
    if isinstance(model, Discriminant):
        return model.mean, np.ones(len(model.mean)), model.components, model.input
    scale = model.scale if model.standardized else np.ones(len(model.mean))
    return model.mean, scale, model.components, "none"


def _told(catalogue: Catalogue, mine: list[Ids], shown: list[list[int]]) -> dict[str, Any]:
    """Return what the page tells of labels and species, as the API does; no path of any photo."""
    gallery = catalogue.gallery
    listed = catalogue.labels.model_dump(mode="json")
    by_name = {label["label"]: label for label in listed["labels"]}
    labels = [
        by_name[label] | {"photo": next(iter(some or all_.tolist()), None), "examples": some}
        for label, all_, some in zip(gallery.labels, mine, shown, strict=True)
    ]
    cards = (catalogue.card(label) for label in gallery.labels)
    species = {card.key: card.model_dump(mode="json") for card in cards if card}
    return listed | {"labels": labels, "species": species}


def _laid_out(arrays: Mapping[str, npt.NDArray[Any]]) -> tuple[list[dict[str, Any]], bytes]:
    layout, out = [], bytearray()
    for name, array in arrays.items():
        out += bytes(-len(out) % _ALIGNED)
        entry = {"name": name, "type": array.dtype.name, "length": array.size, "at": len(out)}
        layout.append(entry)
        out += np.ascontiguousarray(array).tobytes()
    return layout, bytes(out)


def _pictures(rows: Ids, shown: set[int], small: Picture) -> tuple[list[int], bytes]:
    """Return where the picture of each photo ends, and all of them; some have none."""
    ends, out = [], bytearray()
    for photo, row in enumerate(rows.tolist()):
        if photo in shown:
            out += small(row)
        ends.append(len(out))
    return ends, bytes(out)


def picture(gallery: Gallery, photo: int) -> bytes:
    """Return a photo's small picture as WebP; nothing where it cannot be opened.

    It is decoded and encoded again, as a STORE may come from anywhere.
    """
    image = opened(gallery.thumbnail(photo))
    return webp(image, _QUALITY) if image else b""
