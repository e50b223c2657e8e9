"""Where a photo's time goes, in one process without Spark: `embed` beside the bare loop.

    python -m benchmarks.inside FOLDER ROUNDS

One core is used where the system lets a process choose, since `embed` overlaps its steps. Times
are CPU seconds of the process, medians over the rounds, printed as JSON in ms a photo.
"""

from __future__ import annotations

import io
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.contenders import shipped_model
from benchmarks.plain import Recipe, frame, infer, load
from verger.embed import open_backbone
from verger.embed.features import Embedder, embed
from verger.photos.decode import decode
from verger.photos.labels import labeller_from
from verger.photos.references import PhotoRef
from verger.settings import DEFAULT_BACKBONE, RunSettings
from verger.storage.folder import LocalPlace


def main() -> None:
    """Measure each step on all photos of the folder, the steps in turn, round after round."""
    folder, rounds = Path(sys.argv[1]), int(sys.argv[2])
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    steps = _steps(folder)
    count = len(list(_refs(folder)))
    taken: dict[str, list[float]] = {name: [] for name in steps}
    for round_ in range(rounds + 1):
        for name, step in steps.items():
            start = time.process_time()
            step()
            if round_:  # the first round warms up
                taken[name].append((time.process_time() - start) * 1000 / count)
    print(json.dumps({name: statistics.median(values) for name, values in taken.items()}))


def _refs(folder: Path) -> Iterable[PhotoRef]:
    return LocalPlace(folder).list(labeller_from("parent", folder.name))


def _steps(folder: Path) -> dict[str, Callable[[], object]]:
    settings = RunSettings()
    backbone = open_backbone(DEFAULT_BACKBONE)
    spec = backbone.card.input
    model = shipped_model(DEFAULT_BACKBONE)
    recipe = Recipe(model, spec.size, spec.views, settings.photos_a_batch)
    embedder = Embedder(backbone, settings.photos_a_batch, settings.max_pixels)
    network, session = backbone.network(), load(recipe.model)
    files = [folder / ref.path for ref in _refs(folder)]
    contents = [file.read_bytes() for file in files]
    frames = [frame(content, recipe) for content in contents[: recipe.batch_size]]
    smalls = [Image.open(io.BytesIO(decode(content).thumbnail)) for content in contents]
    for small in smalls:
        small.load()

    def read(path: str) -> bytes:
        return (folder / path).read_bytes()

    def no_network(photos: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        return np.zeros((len(photos), backbone.card.features), np.float32)

    def bare() -> None:
        for start in range(0, len(files), recipe.batch_size):
            batch = files[start : start + recipe.batch_size]
            infer(session, [frame(file.read_bytes(), recipe) for file in batch])

    def thumbnails() -> None:
        for small in smalls:
            small.save(io.BytesIO(), "JPEG", quality=85)

    def batches() -> Iterable[None]:
        return (None for _ in range(0, len(files), recipe.batch_size))

    return {
        "bare loop": bare,
        "embed": lambda: list(embed(_refs(folder), embedder, read, network)),
        "embed without the network": lambda: list(embed(_refs(folder), embedder, read, no_network)),
        "reading": lambda: [file.read_bytes() for file in files],
        "bare decode": lambda: [frame(content, recipe) for content in contents],
        "decode with thumbnail": lambda: [
            decode(content, spec.framing, settings.max_pixels) for content in contents
        ],
        "thumbnail's JPEG": thumbnails,
        "bare inference": lambda: [infer(session, frames) for _ in batches()],
        "inference": lambda: [network(np.stack(frames)) for _ in batches()],
        "listing": lambda: list(_refs(folder)),
    }


if __name__ == "__main__":
    main()
