"""Peer: plain Spark as one who knows it writes it: binaryFile, mapInArrow, the model broadcast.

python -m benchmarks.peers.plain_spark FOLDER CORES MODEL SIZE VIEWS BATCH_SIZE OUT
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import SparkSession
from pyspark.sql.functions import element_at, split

from benchmarks.plain import Recipe, as_lists, embed, load, written

_ROWS = 256  # in a batch of bytes; Spark's default, 10,000, would not fit into memory
_TASKS_A_CORE = 4  # few, since each loads the model; enough for none to wait for the last


def main() -> None:
    """Embed the folder."""
    folder, cores, *words, out = sys.argv[1:]
    recipe = Recipe.of(words)
    spark = SparkSession.builder.master(f"local[{cores}]").getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", str(_ROWS))
    model = spark.sparkContext.broadcast(recipe.model.read_bytes())

    def featurize(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        session = load(model.value)
        for batch in batches:
            features = as_lists(embed(session, batch["content"].to_pylist(), recipe))
            columns = {"path": batch["path"], "label": batch["label"], "features": features}
            yield pa.RecordBatch.from_pydict(columns)

    images = spark.read.format("binaryFile").option("recursiveFileLookup", "true").load(folder)
    label = element_at(split("path", "/"), -2).alias("label")
    photos = images.select("path", label, "content").coalesce(int(cores) * _TASKS_A_CORE)
    schema = "path string, label string, features array<float>"
    photos.mapInArrow(featurize, schema).write.parquet(out)
    written()
    spark.stop()


if __name__ == "__main__":
    main()
