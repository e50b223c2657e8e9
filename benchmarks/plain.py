"""What one would write without Verger: a photo to pixels, and a model on one thread."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image


class Recipe(NamedTuple):
    """The backbone's file, and how it wants photos: the same for all that run it."""

    model: Path
    size: int
    shorter_side: int
    batch_size: int


def frame(data: bytes, recipe: Recipe) -> npt.NDArray[np.uint8]:
    """Decode, resize the shorter side, crop the middle: uint8 (size, size, 3). As lean as can be.

    One resize from a box does both steps, and large JPEG files are decoded at a smaller scale:
    the same geometry as Verger's, without its care for odd files, and without a thumbnail.
    """
    with Image.open(io.BytesIO(data)) as image:
        shorter = min(image.size)
        if shorter > 2 * recipe.shorter_side:
            ratio = recipe.shorter_side / shorter
            image.draft("RGB", (round(image.width * ratio), round(image.height * ratio)))
        rgb = image if image.mode == "RGB" else image.convert("RGB")
        side = min(rgb.size) * recipe.size / recipe.shorter_side
        left, top = (rgb.width - side) / 2, (rgb.height - side) / 2
        square = rgb.resize(
            (recipe.size, recipe.size),
            Image.Resampling.BILINEAR,
            box=(left, top, left + side, top + side),
        )
        return np.asarray(square)


def load(recipe: Recipe) -> Any:
    """Load the model for one thread."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(str(recipe.model), options, providers=["CPUExecutionProvider"])


def infer(session: Any, photos: list[npt.NDArray[np.uint8]]) -> npt.NDArray[np.float32]:
    """Return the features of a batch: float32 (n, features)."""
    (features,) = session.run(None, {session.get_inputs()[0].name: np.stack(photos)})
    return np.asarray(features, dtype=np.float32).reshape(len(photos), -1)
