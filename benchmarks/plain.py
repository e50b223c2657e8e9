"""What one would write without Verger: a photo to pixels, and a model on one thread."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

WRITTEN = "Features written"


class Recipe(NamedTuple):
    """The backbone's file, and how it wants photos: the same for all that run it.

    views: for each view of a photo, to how many pixels its shorter side is brought
    """

    model: Path
    size: int
    views: tuple[int, ...]
    batch_size: int

    @classmethod
    def of(cls, words: list[str]) -> Recipe:
        """Read one from the words of a command line, as `words` gives them."""
        model, size, views, batch_size = words
        return cls(Path(model), int(size), tuple(map(int, views.split(","))), int(batch_size))

    @property
    def words(self) -> list[str]:
        """Itself, as words of a command line."""
        views = ",".join(map(str, self.views))
        return [str(self.model), str(self.size), views, str(self.batch_size)]


def frame(data: bytes, recipe: Recipe) -> npt.NDArray[np.uint8]:
    """Decode, and cut each view: uint8 (views, size, size, 3). As lean as can be.

    One resize from a box brings the shorter side to its length and crops the middle, and large
    JPEG files are decoded at a smaller scale: the same geometry as Verger's, without its care for
    odd files, and without a thumbnail.
    """
    with Image.open(io.BytesIO(data)) as image:
        shorter, wanted = min(image.size), max(recipe.views)
        if shorter > 2 * wanted:
            ratio = wanted / shorter
            image.draft("RGB", (round(image.width * ratio), round(image.height * ratio)))
        rgb = image if image.mode == "RGB" else image.convert("RGB")
        return np.stack([_square(rgb, recipe.size, view) for view in recipe.views])


def _square(image: Image.Image, size: int, shorter_side: int) -> npt.NDArray[np.uint8]:
    side = min(image.size) * size / shorter_side
    left, top = (image.width - side) / 2, (image.height - side) / 2
    box = (left, top, left + side, top + side)
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR, box=box))


def load(model: Path | bytes) -> Any:
    """Load a model, a file or what is in it, for one thread."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    given = model if isinstance(model, bytes) else str(model)
    return ort.InferenceSession(given, options, providers=["CPUExecutionProvider"])


def infer(session: Any, photos: list[npt.NDArray[np.uint8]]) -> npt.NDArray[np.float32]:
    """Return the features of a batch, means over the views: float32 (n, features)."""
    views = np.concatenate(photos)
    (features,) = session.run(None, {session.get_inputs()[0].name: views})
    rows = np.asarray(features, dtype=np.float32).reshape(len(photos), len(photos[0]), -1)
    return np.asarray(rows.mean(axis=1)) if len(photos[0]) > 1 else rows[:, 0]


def embed(session: Any, contents: list[bytes], recipe: Recipe) -> npt.NDArray[np.float32]:
    """Decode and infer a batch after another: float32 (n, features), n at least 1."""
    size = recipe.batch_size
    batches = (contents[at : at + size] for at in range(0, len(contents), size))
    return np.concatenate(
        [infer(session, [frame(data, recipe) for data in batch]) for batch in batches]
    )


def as_lists(features: npt.NDArray[np.float32]) -> Any:
    """Return rows of features as an Arrow array of lists, without a copy."""
    import pyarrow as pa

    rows, width = features.shape
    offsets = pa.array(np.arange(rows + 1, dtype=np.int32) * np.int32(width))
    return pa.ListArray.from_arrays(offsets, pa.array(features.ravel()))


def written() -> None:
    """Say that all features lie in files: here the clock stops, whatever follows."""
    print(WRITTEN, file=sys.stderr, flush=True)
