"""Verger's steps for your own Spark pipelines, under the `pyspark.ml` contract.

    from verger.ml import PCA, Discriminant, PhotoEmbedder, session

`PhotoEmbedder` turns a column of paths or of image bytes into features; `PCA` and `Discriminant`
fit projections to a column of features. They follow the pyspark.ml contract: keyword-only
constructors, Params, `copy`, `save` and `load`, pipelines. `session` starts Spark as `verger run`
does, if there is no session yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from verger.settings import settings_from
from verger.spark.ml.discriminant import Discriminant, DiscriminantModel
from verger.spark.ml.embedder import PhotoEmbedder
from verger.spark.ml.pca import PCA, PCAModel
from verger.spark.session import session as session_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = [
    "PCA",
    "Discriminant",
    "DiscriminantModel",
    "PCAModel",
    "PhotoEmbedder",
    "session",
]


@contextmanager
def session(**settings: Any) -> Iterator[SparkSession]:
    """Start Spark on this machine, or join the session of this process; end what was started.

    settings: settings of a run that apply to Spark, such as `cores=2` or `memory="4g"`

    Raises `VergerError` if Java or Spark does not start.
    """
    with session_of(settings_from(settings)) as spark:
        yield spark
