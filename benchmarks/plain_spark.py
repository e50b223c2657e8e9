"""Peer (b): plain Spark, as the course projects write it, with the same ONNX model.

`binaryFile`, an iterator `pandas_udf`, Parquet. Nothing is set but the number of cores and the
rows a batch, which such projects set too.

    python -m benchmarks.plain_spark FOLDER CORES MODEL SIZE SHORTER_SIDE BATCH_SIZE OUT
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from pyspark.sql import SparkSession
from pyspark.sql.functions import col, element_at, pandas_udf, split  # type: ignore[attr-defined]

from benchmarks.plain import Recipe, frame, infer, load


def main() -> None:
    """Embed the folder, and print how long it took once the session was up."""
    folder, cores, model, size, shorter_side, batch_size, out = sys.argv[1:]
    recipe = Recipe(Path(model), int(size), int(shorter_side), int(batch_size))
    spark = SparkSession.builder.master(f"local[{cores}]").getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "1024")

    @pandas_udf("array<float>")  # type: ignore[untyped-decorator]
    def featurize(contents: Iterator[pd.Series]) -> Iterator[pd.Series]:
        session = load(recipe)
        for content in contents:
            rows: list[object] = []
            for start in range(0, len(content), recipe.batch_size):
                batch = content.iloc[start : start + recipe.batch_size]
                rows.extend(infer(session, [frame(data, recipe) for data in batch]))
            yield pd.Series(rows)

    start = time.perf_counter()
    images = spark.read.format("binaryFile").option("recursiveFileLookup", "true").load(folder)
    labelled = images.withColumn("label", element_at(split(images["path"], "/"), -2))
    features = labelled.repartition(20).select(
        "path", "label", featurize(col("content")).alias("features")
    )
    features.write.parquet(out)
    seconds = time.perf_counter() - start
    photos = spark.read.parquet(out).count()
    spark.stop()
    print(json.dumps({"photos": photos, "seconds": seconds}))


if __name__ == "__main__":
    main()
