"""One process of `benchmarks.reduction`: prints its timings as one line of JSON."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from pyspark.ml.feature import PCA as MLlibPCA  # noqa: N811
from pyspark.ml.functions import array_to_vector
from pyspark.sql import SparkSession
from pyspark.sql import functions as F  # noqa: N812
from sklearn.decomposition import PCA as SklearnPCA  # noqa: N811

from verger.ml import PCA, PCAModel
from verger.projections.discriminant import fit_discriminant
from verger.projections.pca import fit_pca
from verger.settings import RunSettings
from verger.spark.engine import SparkEngine
from verger.spark.session import session
from verger.storage.folder import LocalPlace
from verger.store.kept_moments import Reading
from verger.store.parts import no_edits
from verger.store.tables import rows_of
from verger.tasks.reduction import feature_moments

K = 256


def peers(spark: SparkSession, table: Path, rounds: int) -> dict[str, Any]:
    """Time our fit, MLlib's and scikit-learn's on the same rows, and compare the results.

    The first of each list of times is that of a round before the `rounds` asked for.
    """
    floats = spark.read.parquet(str(table)).select("features").cache()
    vectors = floats.select(array_to_vector(F.col("features")).alias("features")).cache()
    floats.count()
    vectors.count()
    files = sorted(table.glob("*.parquet"))
    lists = pq.read_table(files, columns=["features"])["features"].combine_chunks()
    rows = np.asarray(lists.flatten()).reshape(len(lists), -1)
    contenders = ("ours_cached", "ours_vectors", "ours_parquet", "ours_both", "sklearn", "mllib")
    times: dict[str, list[float]] = {name: [] for name in contenders}
    mllib = MLlibPCA(k=K, inputCol="features", outputCol="o")
    for _ in range(1 + rounds):  # the first with Java and the workers cold
        ours = _timed(times["ours_cached"], lambda: PCA(k=K).fit(floats))
        _timed(times["ours_vectors"], lambda: PCA(k=K).fit(vectors))
        unread = spark.read.parquet(str(table))
        _timed(times["ours_parquet"], partial(PCA(k=K).fit, unread))
        _timed(times["ours_both"], lambda: _both(spark, table, rows.shape[1]))
        _timed(times["sklearn"], lambda: SklearnPCA(K, svd_solver="covariance_eigh").fit(rows))
        theirs = _timed(times["mllib"], lambda: mllib.fit(vectors))
    variance = theirs.explainedVariance.toArray()
    one, two = ours.pc.toArray(), theirs.pc.toArray()
    signed = two * np.sign((one * two).sum(axis=0))
    return {
        **times,
        "variance": float(np.abs(ours.explainedVariance.toArray() / variance - 1).max()),
        "components": float(np.abs(one - signed).max()),
    }


def _both(spark: SparkSession, table: Path, width: int) -> None:
    """Fit PCA and the discriminant projection, as `verger run` does."""
    place = LocalPlace(table)
    files = place.files(".", ".parquet")
    readings = [Reading(file, rows_of(place, [file])) for file in files]
    moments, _ = feature_moments(SparkEngine(spark), place, readings, width, no_edits)
    fit_pca(moments.raw, K)
    fit_discriminant(moments.unit)


def once(spark: SparkSession, table: Path) -> dict[str, float]:
    """Fit to a table, and write its projection."""
    rows = spark.read.parquet(str(table))
    PCA(k=K).fit(rows.limit(2_000))  # workers and Java warm
    fit: list[float] = []
    transform: list[float] = []
    model: PCAModel = _timed(fit, lambda: PCA(k=K).fit(rows))
    with tempfile.TemporaryDirectory(dir=table.parent) as out:
        projected = model.transform(rows).select("path", "components")
        _timed(transform, lambda: projected.write.mode("overwrite").parquet(out))
    return {"fit": fit[0], "transform": transform[0]}


def _timed(times: list[float], work: Callable[[], Any]) -> Any:
    start = time.perf_counter()
    result = work()
    times.append(time.perf_counter() - start)
    return result


def main() -> None:
    """Run the job that the command line names."""
    what, table, rounds = sys.argv[1:]
    memory = "6g" if what == "peers" else "1g"
    with session(RunSettings(cores=2, memory=memory)) as spark:
        if what == "peers":
            print(json.dumps(peers(spark, Path(table), int(rounds))))
        else:
            print(json.dumps(once(spark, Path(table))))


if __name__ == "__main__":
    main()
