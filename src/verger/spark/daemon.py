"""What Spark's Python workers are forked from, on this machine.

Importing ONNX Runtime, pandas and Arrow takes a second, and some 100 MB. Done here, before the
fork, it is done once, and the memory is shared by all workers.
"""

from __future__ import annotations

import gc

import numpy as np  # noqa: F401
import pandas as pd  # noqa: F401
import pyarrow.parquet  # noqa: F401
import pyspark.daemon
import pyspark.worker

import verger.embed
import verger.embed.features
import verger.spark.engine
import verger.tasks.embedding
import verger.tasks.reduction

if __name__ == "__main__":
    verger.embed.preload()
    # Workers collect garbage after each task, and need not look through all that was imported.
    gc.collect()
    gc.freeze()
    pyspark.daemon.manager()
