"""Verger's pieces for your own Spark pipelines: the pyspark.ml face.

    from verger.ml import PCA, Discriminant, PhotoEmbedder

`PhotoEmbedder` turns a column of paths or of image bytes into features, `PCA` and `Discriminant`
fit projections of a column of features. They keep the pyspark.ml contract: keyword-only
constructors, Params, `copy`, `save` and `load`, pipelines.
"""

from verger.spark.ml.discriminant import Discriminant, DiscriminantModel
from verger.spark.ml.embedder import PhotoEmbedder
from verger.spark.ml.pca import PCA, PCAModel

__all__ = [
    "PCA",
    "Discriminant",
    "DiscriminantModel",
    "PCAModel",
    "PhotoEmbedder",
]
