"""Opens photos as others do: `PYTHON torture_peers.py TOOL`, with paths on standard input.

Needs NumPy and the tool, nothing of Verger, so that any Python will do. Each line of standard
input is the path of a photo as JSON; each line of standard output is `{"pixels": FILE}`, an .npy of
uint8 RGB of any size, or `{"error": TEXT}`. Pillow and OpenCV are used as most people use
them; Daft and Spark by their own readers of images.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np

Opener = Callable[[str], Any]


def pillow() -> Opener:
    """`Image.open(…).convert("RGB")`."""
    from PIL import Image

    def open_(path: str) -> Any:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))

    return open_


def opencv() -> Opener:
    """`cv2.imread`, which turns photos by EXIF and gives None for what it cannot read."""
    import cv2  # type: ignore[import-not-found, unused-ignore]

    def open_(path: str) -> Any:
        found = cv2.imread(path, cv2.IMREAD_COLOR)
        if found is None:
            raise ValueError("None")
        return found[..., ::-1]

    return open_


def daft() -> Opener:
    """`download` and `decode_image` of a column of URLs."""
    import daft as tool  # type: ignore[import-not-found, unused-ignore]

    def open_(path: str) -> Any:
        column = tool.col("path").download().decode_image(mode="RGB")
        table = tool.from_pydict({"path": [path]}).select(column.alias("image"))
        return np.asarray(table.to_pydict()["image"][0])

    return open_


def spark() -> Opener:
    """`spark.read.format("image")`, as a Spark of one core that is started once."""
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.memory", "2g")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("OFF")

    def open_(path: str) -> Any:
        escaped = "".join(f"\\{c}" if c in "\\*?[]{}" else c for c in path)
        frame = session.read.format("image").load(escaped)
        rows = frame.select("image.*").collect()
        if len(rows) != 1:
            raise ValueError(f"{len(rows)} rows")
        row = rows[0]
        if row.height <= 0:
            raise ValueError("an invalid image")
        found = np.frombuffer(row.data, np.uint8).reshape(row.height, row.width, row.nChannels)
        return np.repeat(found, 3, axis=2) if row.nChannels == 1 else found[..., 2::-1]

    return open_


def main() -> None:
    """Open what standard input names."""
    open_ = {"Pillow": pillow, "OpenCV": opencv, "Daft": daft, "Spark": spark}[sys.argv[1]]()
    print("ready", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        for line in sys.stdin:
            try:
                pixels = np.ascontiguousarray(open_(json.loads(line)))
                if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
                    raise ValueError(f"{pixels.dtype}, {pixels.shape}")
                np.save(f"{scratch}/pixels.npy", pixels)
                said = {"pixels": f"{scratch}/pixels.npy"}
            except Exception as error:  # noqa: BLE001 - whatever a tool raises is its answer
                said = {"error": f"{type(error).__name__}: {error}"[:200]}
            print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
