"""Naming new photos: decode, embed, look up in a gallery. No Spark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from verger.embed import Backbone, open_backbone
from verger.embed.backbone import check_here
from verger.embed.card import views_of
from verger.embed.features import MAX_BYTES
from verger.errors import StoreError
from verger.gallery import Answer, Gallery
from verger.photos.decode import decode
from verger.photos.reasons import Reason, Reject, reason_of
from verger.settings import RunSettings
from verger.store.store import Store

MAX_PIXELS = RunSettings().max_pixels


class Identified(NamedTuple):
    """One fruit: the photos of it that could be read, the rejects, and the answer, if any."""

    photos: tuple[str, ...]
    rejects: tuple[tuple[str, Reject], ...]
    answer: Answer | None


class Identifier:
    """A gallery and the backbone that its photos were embedded with; threads may share it.

    threads: that a network takes for a photo which is the only one
    """

    def __init__(
        self,
        gallery: Gallery,
        backbone: Backbone,
        max_pixels: int = MAX_PIXELS,
        threads: int = 1,
    ) -> None:
        self.gallery = gallery
        self.backbone = backbone
        self._network = backbone.network()
        self._alone = backbone.network(threads=threads) if threads > 1 else self._network
        self.framing = backbone.card.input.framing
        self.max_pixels = max_pixels

    @classmethod
    def open(cls, store: str | Path, max_pixels: int = MAX_PIXELS, threads: int = 1) -> Identifier:
        """Open the gallery of a STORE and its backbone.

        Raises `StoreError` where it has no finished run, no usable gallery, or where the backbone
        is not the one that the run used; `BackboneError` where it cannot be opened.
        """
        record = Store(store).whole_run()
        gallery = Gallery.open(store)
        return cls(gallery, backbone_of(record, store, gallery.width), max_pixels, threads)

    def features(self, photo: bytes, *, alone: bool = False) -> npt.NDArray[np.float32]:
        """Return the features (width,) of a photo, from its file's bytes, as `embed` does.

        Raises `Reject` with its reason for bytes that give no photo.
        """
        pixels = decode(photo, self.framing, self.max_pixels, thumbnail=False).pixels
        return self.embed(pixels, alone=alone)

    def embed(
        self, pixels: npt.NDArray[np.uint8], *, alone: bool = False
    ) -> npt.NDArray[np.float32]:
        """Return the features (width,) of a photo, from its views, as `framing` cuts them.

        alone: whether no other photo is worked on, so that cores have nothing else to do
        """
        network = self._alone if alone else self._network
        (row,) = network(pixels[None])
        return np.asarray(row)

    def identify(self, photos: Sequence[bytes], *, alone: bool = False) -> Answer:
        """Say what one fruit is, from photos of it. Raises `Reject` for the first bad one."""
        return self.gallery.identify(np.stack([self.features(p, alone=alone) for p in photos]))

    def identify_files(self, photos: Sequence[str | Path | bytes]) -> Identified:
        """Say what one fruit is, from files of photos of it, or their bytes; leave out bad ones."""
        good: list[str] = []
        rejects: list[tuple[str, Reject]] = []
        rows = []
        for number, photo in enumerate(photos, 1):
            name = f"photo {number}" if isinstance(photo, bytes) else str(photo)
            try:
                rows.append(self.features(bytes_of(photo)))
            except Reject as reject:
                rejects.append((name, reject))
            else:
                good.append(name)
        answer = self.gallery.identify(np.stack(rows)) if rows else None
        return Identified(tuple(good), tuple(rejects), answer)


def backbone_of(record: Mapping[str, Any], store: str | Path, features: int) -> Backbone:
    """Open the backbone that a run was made with, which gives so many features.

    Raises `StoreError` where the one that is here is another, `BackboneError` where there is none.
    """
    made = record["backbone"]
    name = str(record["settings"]["backbone"])
    where = "say where it is: `verger run PHOTOS STORE --backbone FILE`"
    check_here(name, str(store), f"Put it back, or {where}.")
    backbone = open_backbone(name, made["image_size"], views_of(made))
    if (backbone.card.sha256, backbone.card.features) != (made["sha256"], features):
        raise StoreError(
            f"{store} was made with another backbone than the {backbone.card.name} that is "
            "here (SHA-256 or number of features differ).",
            hint=f"Put the file that it was made with there, or {where}; or run with --overwrite.",
        )
    return backbone


def bytes_of(photo: str | Path | bytes) -> bytes:
    """Return the bytes of a photo's file. Raises `Reject` where it cannot be read, or is large."""
    try:
        data = photo if isinstance(photo, bytes) else _first_bytes(Path(photo))
    except IsADirectoryError:
        raise Reject(Reason.UNREADABLE, "a folder; name the photos in it") from None
    except OSError as error:
        raise Reject(reason_of(error), error.strerror or str(error)) from None
    except ValueError as error:  # a null byte in the name
        raise Reject(Reason.UNREADABLE, str(error)) from None
    if len(data) > MAX_BYTES:
        raise Reject(Reason.TOO_LARGE, f"more than {MAX_BYTES} bytes")
    return data


def _first_bytes(file: Path) -> bytes:
    with file.open("rb") as photo:
        return photo.read(MAX_BYTES + 1)
