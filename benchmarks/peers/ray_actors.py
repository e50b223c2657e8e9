"""Peer: Ray Data, actors that decode and infer, with the same ONNX model.

python -m benchmarks.peers.ray_actors FOLDER CORES MODEL SIZE VIEWS BATCH_SIZE OUT
"""

from __future__ import annotations

import sys

import pyarrow as pa
import ray  # type: ignore[import-not-found, unused-ignore]

from benchmarks.plain import Recipe, as_lists, embed, load, written

_ROWS = 64


class Featurizer:
    """Loads the model once an actor."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe, self.session = recipe, load(recipe.model)

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Return path, label and features of a batch of bytes and path."""
        features = embed(self.session, batch["bytes"].to_pylist(), self.recipe)
        labels = [path.split("/")[-2] for path in batch["path"].to_pylist()]
        columns = {"path": batch["path"], "label": labels, "features": as_lists(features)}
        return pa.table(columns)


def main() -> None:
    """Embed the folder."""
    folder, cores, *numbers, out = sys.argv[1:]
    ray.init(num_cpus=int(cores), include_dashboard=False, log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    photos = ray.data.read_binary_files(folder, include_paths=True)
    features = photos.map_batches(
        Featurizer,
        fn_constructor_args=(Recipe.of(numbers),),
        compute=ray.data.ActorPoolStrategy(size=int(cores)),
        num_cpus=0.5,
        batch_size=_ROWS,
        batch_format="pyarrow",
    )
    features.write_parquet(out)
    written()


if __name__ == "__main__":
    main()
