"""`verger app`: a STORE becomes an app, within a budget of bytes to download."""

from __future__ import annotations

import dataclasses
import json
import math
from functools import cache
from pathlib import Path
from typing import Any

from verger.app import runtime
from verger.app.packing import MOST_PICTURES, Packed, pack, picture
from verger.app.photo_choice import chosen
from verger.app.site import MARK, Data, Site, packed, site
from verger.embed import Backbone
from verger.errors import UsageError
from verger.gallery import Gallery
from verger.gallery.identify import backbone_of
from verger.progress import Reporter
from verger.storage.place import Place, place_of
from verger.store.store import Store

MB = 1_000_000
_OF_VECTORS = 0.5  # of what the budget leaves for photos; the rest is for pictures
_BESIDE_A_VECTOR = 12  # bytes: scale, label, for how many it speaks
_ROOM = 0.97  # of what is left is planned with: how far data can be packed shows at the end


@dataclasses.dataclass(frozen=True, slots=True)
class Exported:
    """What an app came to: bytes to download, and how many photos and pictures of the gallery."""

    download: int
    photos: int
    of: int
    labels: int
    pictures: int
    files: int


def export_app(store: str | Path, output: str, budget: float, reporter: Reporter) -> Exported:
    """Write the app of a STORE to a folder, or to the URL of a bucket.

    budget: millions of bytes that a phone may have to download
    Raises `UsageError` where the budget is too small and where something else lies in `output`,
    `StoreError` and `BackboneError` as `Identifier.open` does.
    """
    place = place_of(output, UsageError)
    before = _files_before(place, output)
    record = Store(store).whole_run()
    gallery = Gallery.open(store)
    backbone = backbone_of(record, store, gallery.width)
    made, what = _within(gallery, backbone, budget)
    with reporter.stage("Writing", len(made.files), "files") as stage:
        for done, (name, body) in enumerate(made.files.items(), 1):
            place.put(name, body, made.headers(name))
            stage.update(done)
    place.delete_files([name for name in before if name not in made.files])
    return what


def _within(gallery: Gallery, backbone: Backbone, budget: float) -> tuple[Site, Exported]:
    """Hold as many photos and pictures as the budget allows: all, of a small gallery."""
    network = packed(backbone.model())
    small = cache(lambda row: picture(gallery, row))

    def built(rows: Any, pictures: int) -> tuple[Site, Packed]:
        held = pack(gallery, backbone.card.input.framing, rows, pictures, small)
        return _site(held, network, backbone), held

    label_ids = gallery.contents.label_ids
    one_each = chosen(label_ids, len(gallery.labels) + int((label_ids < 0).any()))
    least, held = built(one_each, 1)
    left = (budget * MB - least.download) * _ROOM
    if left < 0:
        raise UsageError(
            f"--budget {budget:g} is too small: with one photo of each label, the app has "
            f"{math.ceil(least.download / MB * 10) / 10} MB."
        )
    a_vector = 2 * gallery.contents.vectors.shape[1] + _BESIDE_A_VECTOR
    rows = chosen(label_ids, len(one_each) + int(left * _OF_VECTORS / a_vector))
    left -= (len(rows) - len(one_each)) * a_vector
    a_round = max(len(held.pictures), 1)  # of pictures, one of each label
    pictures = min(MOST_PICTURES, 1 + int(left / a_round))
    made, held = built(rows, pictures)
    while made.download > budget * MB and pictures > 1:
        pictures -= 1
        made, held = built(rows, pictures)
    return made, Exported(
        made.download, len(rows), gallery.photos, len(gallery.labels), held.shown, len(made.files)
    )


def _site(held: Packed, network: bytes, backbone: Backbone) -> Site:
    card = backbone.card
    of_network = {"input": dataclasses.asdict(card.input), "output": card.output}
    header = json.dumps({**held.header, "network": of_network}, ensure_ascii=False)
    data = [
        Data("runtime", "wasm.gz", runtime.binary()),
        Data("network", "onnx.gz", network),
        Data("arrays", "bin.gz", packed(held.arrays)),
        Data("gallery", "json.gz", packed(header.encode())),
        Data("pictures", "bin", held.pictures),
    ]
    about = {
        "network": {"name": card.name, "sha256": card.sha256, "licence": card.license},
        "photos": held.header["photos"],
        "labels": len(held.header["labels"]),
    }
    return site(data, about, runtime.licences())


def _files_before(place: Place, output: str) -> list[str]:
    """Return the files of the app that is there. Raises `UsageError` where something else is."""
    try:
        if place.is_empty() is not False:
            return []
        told = json.loads(place.read(MARK))
        files = [name for name in told["files"] if isinstance(name, str) and "/" not in name]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        raise UsageError(
            f"{output} holds something other than an app.",
            hint="Name a new folder, or an empty one.",
        ) from None
    except OSError as error:
        raise UsageError(f"{output} cannot be used: {error.strerror or error}.") from None
    return files
