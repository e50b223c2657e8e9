"""Peer: the notebook idiom, with TensorFlow's MobileNetV2 (random weights: as fast).

A script that imports nothing of ours, for an interpreter that has pyspark and tensorflow.

    python benchmarks/peers/notebook.py FOLDER CORES OUT
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from pyspark.sql import SparkSession
from pyspark.sql.functions import col, element_at, pandas_udf, split  # type: ignore[attr-defined]


def main() -> None:
    """Embed the folder."""
    folder, cores, out = sys.argv[1:]
    spark = SparkSession.builder.master(f"local[{cores}]").getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "1024")

    @pandas_udf("array<float>")  # type: ignore[untyped-decorator]
    def featurize(contents: Iterator[pd.Series]) -> Iterator[pd.Series]:
        from tensorflow.keras import Model
        from tensorflow.keras.applications.mobilenet_v2 import MobileNetV2, preprocess_input

        whole = MobileNetV2(weights=None, include_top=True, input_shape=(224, 224, 3))
        model = Model(inputs=whole.input, outputs=whole.layers[-2].output)

        def preprocess(content: bytes) -> Any:
            image = Image.open(io.BytesIO(content)).convert("RGB").resize((224, 224))
            return preprocess_input(np.asarray(image, dtype=np.float32))

        for content in contents:
            photos = np.stack([preprocess(data) for data in content])
            yield pd.Series([row.flatten() for row in model.predict(photos, verbose=0)])

    images = spark.read.format("binaryFile").option("recursiveFileLookup", "true").load(folder)
    labelled = images.withColumn("label", element_at(split(images["path"], "/"), -2))
    features = labelled.repartition(20).select(
        "path", "label", featurize(col("content")).alias("features")
    )
    features.write.parquet(out)
    print("Features written", file=sys.stderr, flush=True)
    spark.stop()


if __name__ == "__main__":
    main()
