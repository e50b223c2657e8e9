"""Peer: Daft, a class UDF that decodes and infers, with the same ONNX model.

python -m benchmarks.peers.daft_class FOLDER CORES MODEL SIZE VIEWS BATCH_SIZE OUT
"""

from __future__ import annotations

import sys
from typing import Any

import daft  # type: ignore[import-not-found, unused-ignore]
from daft import DataType, Series, col

from benchmarks.plain import Recipe, embed, load, written

_ROWS = 64
_FEATURES = DataType.list(DataType.float32())


def main() -> None:
    """Embed the folder."""
    folder, cores, *numbers, out = sys.argv[1:]
    recipe = Recipe.of(numbers)

    @daft.cls(max_concurrency=int(cores), use_process=True)
    class Featurizer:
        def __init__(self) -> None:
            self.session = load(recipe.model)

        @daft.method.batch(return_dtype=_FEATURES, batch_size=_ROWS)  # type: ignore[untyped-decorator, unused-ignore]
        def features(self, contents: Series) -> Any:
            return list(embed(self.session, contents.to_pylist(), recipe))

    photos = daft.from_glob_path(f"{folder}/**/*.*")
    labels = col("path").split("/").get(-2).alias("label")
    features = Featurizer().features(col("path").download()).alias("features")
    photos.select(col("path"), labels, features).write_parquet(out)
    written()


if __name__ == "__main__":
    main()
