"""Naming new photos: decode, embed, look up in a gallery. No Spark."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from verger.backbones import Backbone, Network, open_backbone
from verger.errors import StoreError
from verger.gallery import Answer, Gallery
from verger.photos.decode import decode
from verger.store import Store

MAX_PIXELS = 100_000_000


class Identifier:
    """A gallery and the backbone that its photos were embedded with."""

    def __init__(self, gallery: Gallery, backbone: Backbone, max_pixels: int = MAX_PIXELS) -> None:
        self.gallery = gallery
        self.backbone = backbone
        self._network: Network = backbone.network()
        self._max_pixels = max_pixels

    @classmethod
    def open(cls, store: Path, max_pixels: int = MAX_PIXELS) -> Identifier:
        """Open the gallery of a STORE and its backbone.

        Raises `StoreError` where there is no whole run or no usable gallery, `BackboneError` where
        the backbone that the run used cannot be opened.
        """
        record = Store(store).record()
        if record is None:
            raise StoreError(
                f"{store} holds no whole run.", hint="`verger run PHOTOS STORE` makes one."
            )
        gallery = Gallery.open(store)
        settings, made = record["settings"], record["backbone"]
        backbone = open_backbone(settings["backbone"], settings["image_size"])
        if backbone.card.sha256 != made["sha256"] or backbone.card.features != gallery.width:
            raise StoreError(
                f"{store} was made with another backbone ({made['name']}, "
                f"SHA-256 {made['sha256'][:12]}…) than the one that is here.",
                hint="Install the version of Verger that made it, or run again.",
            )
        return cls(gallery, backbone, max_pixels)

    def features(self, photo: bytes) -> npt.NDArray[np.float32]:
        """Return the features (width,) of a photo, from its file's bytes.

        Raises `Reject` with its reason for bytes that give no photo.
        """
        decoded = decode(photo, self.backbone.card.input.framing, self._max_pixels)
        return self._network(decoded.pixels[None])[0]

    def identify(self, photos: Sequence[bytes]) -> Answer:
        """Say what one fruit is, from photos of it. Raises `Reject` for the first bad one."""
        return self.gallery.identify(np.stack([self.features(photo) for photo in photos]))
