"""Photos to calibrate on, and others to measure on, out of a folder or a bucket."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from verger.embed.features import MAX_BYTES, fetch
from verger.errors import PhotosError
from verger.photos.decode import Framing, decode
from verger.photos.labels import labeller_from
from verger.photos.reasons import Reject
from verger.progress import Reporter
from verger.storage.place import list_place, source_of
from verger.texts.numbers import plural

Photos = npt.NDArray[np.uint8]

CALIBRATED_ON, MEASURED_ON = 400, 300
_FEWEST = 16


class Chosen(NamedTuple):
    """Views of photos, uint8 RGB (N, size, size, 3); no photo is in both.

    place:      name of the place of PHOTOS
    calibrated: paths there of the photos in `calibration`
    rejected:   how many of those drawn cannot be read
    """

    calibration: Photos
    measure: Photos
    place: str
    calibrated: tuple[str, ...]
    rejected: int


def choose(where: str, framing: Framing, reporter: Reporter) -> Chosen:
    """Choose up to 700 photos at random, the same at each call, and decode them.

    Raises `PhotosError` where PHOTOS cannot be read, or where too few of its photos can.
    """
    photos = source_of(where)
    refs = list(list_place(photos, labeller_from("none", photos.name), reporter))
    order = np.random.default_rng(0).permutation(len(refs))[: CALIBRATED_ON + MEASURED_ON]
    decoded: dict[str, Photos] = {}
    with reporter.stage("Decoding", len(order), "photos") as stage:
        for done, at in enumerate(order, 1):
            try:
                data = fetch(refs[at], photos.read, MAX_BYTES)
                decoded[refs[at].path] = decode(data, framing, thumbnail=False).pixels
            except Reject:
                pass
            stage.update(done)
    if len(decoded) < _FEWEST:
        raise PhotosError(
            f"{len(decoded)} photo{plural(len(decoded))} in {photos} can be read: too few to "
            "quantise a network.",
            hint=f"Give at least {_FEWEST}, of the kind that it is for; {CALIBRATED_ON} do well.",
        )
    share = CALIBRATED_ON / (CALIBRATED_ON + MEASURED_ON)
    cut = round(len(decoded) * share)
    paths, views = tuple(decoded), list(decoded.values())
    return Chosen(
        calibration=np.concatenate(views[:cut]),
        # One view each: a photo's nearest neighbour would be its other view.
        measure=np.concatenate([photo[:1] for photo in views[cut:]]),
        place=photos.name,
        calibrated=paths[:cut],
        rejected=len(order) - len(decoded),
    )
