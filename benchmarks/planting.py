"""Plant duplicates and wrong labels in a copy of a folder of photos, and keep what was planted."""

from __future__ import annotations

import io
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from verger.photos.labels import labeller_from
from verger.storage.folder import LocalPlace

# How a copy differs from its original: byte for byte, or encoded again in one of these ways.
_WAYS = ("exact", "exact", "jpeg 60", "smaller", "webp 70")
_SHARE_LEFT = 0.85  # of the width and height of a smaller copy


@dataclass(frozen=True, slots=True)
class Planted:
    """What was planted, by paths relative to the copy.

    duplicates:  (original, copy, how the copy was made)
    mislabelled: path → the label that it should have
    """

    duplicates: list[tuple[str, str, str]]
    mislabelled: dict[str, str]


def plant(photos: Path, into: Path, *, duplicates: int, wrong: int, seed: int = 0) -> Planted:
    """Lay `photos` out in `into` as hard links or copies, and plant.

    The photos that are copied and those that get a wrong label are different ones, drawn at
    random; a copy lies in its original's folder, a wrong label is drawn evenly from the others.
    """
    refs = [
        ref
        for ref in LocalPlace(photos).list(labeller_from("parent", photos.name))
        if not ref.reason
    ]
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(refs))[: duplicates + wrong].tolist()
    folders = sorted({ref.path.rpartition("/")[0] for ref in refs})
    planted = Planted([], {})
    moved = set(chosen[duplicates:])
    for row, ref in enumerate(refs):
        folder, _, name = ref.path.rpartition("/")
        if row in moved:
            label = folder.rpartition("/")[2]
            others = [other for other in folders if other.rpartition("/")[2] != label]
            folder = others[int(rng.integers(len(others)))]
            planted.mislabelled[f"{folder}/{row}-{name}"] = label
            name = f"{row}-{name}"
        _link(photos / ref.path, into / folder / name)
    for at, row in enumerate(chosen[:duplicates]):
        path, way = refs[row].path, _WAYS[at % len(_WAYS)]
        folder, _, name = path.rpartition("/")
        copy = f"{folder}/{row}-copy-{Path(name).stem}{'.webp' if 'webp' in way else '.jpg'}"
        (into / copy).write_bytes(_copy((photos / path).read_bytes(), way))
        planted.duplicates.append((path, copy, way))
    return planted


def _copy(data: bytes, way: str) -> bytes:
    if way == "exact":
        return data
    with Image.open(io.BytesIO(data)) as opened:
        image = opened.convert("RGB")
    kind, quality = "JPEG", 85
    if way == "smaller":
        size = (round(image.width * _SHARE_LEFT), round(image.height * _SHARE_LEFT))
        image = image.resize(size, Image.Resampling.LANCZOS)
    else:
        name, number = way.split()
        kind, quality = name.upper(), int(number)
    out = io.BytesIO()
    image.save(out, kind, quality=quality)
    return out.getvalue()


def _link(photo: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    try:
        to.hardlink_to(photo)
    except OSError:
        shutil.copyfile(photo, to)
