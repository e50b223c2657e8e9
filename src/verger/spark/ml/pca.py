"""Principal components as a pyspark.ml Estimator and Model."""

from __future__ import annotations

from functools import partial
from typing import Any, Self

from pyspark import keyword_only
from pyspark.ml import Estimator
from pyspark.ml.feature import PCAModel as MLlibPCAModel
from pyspark.ml.linalg import DenseMatrix, DenseVector
from pyspark.ml.param import Param, TypeConverters
from pyspark.ml.param.shared import HasInputCol, HasOutputCol
from pyspark.ml.util import DefaultParamsReadable
from pyspark.sql import DataFrame, SparkSession

from verger.errors import UsageError
from verger.projections import pca
from verger.projections.pca import fit_pca, load_pca, save_pca
from verger.settings import parse_components
from verger.spark.ml.columns import moments_of, with_projected
from verger.spark.ml.params import Settable, param
from verger.spark.ml.persistence import ParamsWritable, ProjectionModel, is_classic


def _components(value: Any) -> int | float:
    """Check `k`: a whole number of at least 1, or a share of variance between 0 and 1."""
    try:
        return parse_components(str(value))
    except UsageError as error:
        raise TypeError(error.what.replace("--components", "k =")) from None


class _PCAParams(HasInputCol, HasOutputCol):
    k: Param[Any] = param(
        "k",
        "number of components (a whole number), or the share of variance that they must reach",
        _components,
    )
    standardize: Param[bool] = param(
        "standardize", "divide each feature by its spread first", TypeConverters.toBoolean
    )
    whiten: Param[bool] = param(
        "whiten", "give each component unit variance", TypeConverters.toBoolean
    )

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._setDefault(
            inputCol="features", outputCol="components", k=0.95, standardize=False, whiten=False
        )

    def getK(self) -> int | float:  # noqa: N802 - pyspark's names
        """Return k: a number (int), or a share of variance (float)."""
        value: int | float = self.getOrDefault(self.k)
        return value

    def getStandardize(self) -> bool:  # noqa: N802
        """Return whether features are divided by their spread."""
        return bool(self.getOrDefault(self.standardize))

    def getWhiten(self) -> bool:  # noqa: N802
        """Return whether components are given unit variance."""
        return bool(self.getOrDefault(self.whiten))


class PCA(
    Estimator["PCAModel"], _PCAParams, Settable, DefaultParamsReadable["PCA"], ParamsWritable
):
    """Fits principal components in one pass: exact, centred, k by number or share of variance.

    inputCol:     array<float>, array<double> or ml vector; null rows are left out of the fit
    outputCol:    array<float> (n × k), or an ml vector if the input is one
    """

    @keyword_only
    def __init__(
        self,
        *,
        k: int | float = 0.95,
        inputCol: str = "features",  # noqa: N803
        outputCol: str = "components",  # noqa: N803
        standardize: bool = False,
        whiten: bool = False,
    ) -> None:
        super().__init__()
        self._set(**self._input_kwargs)  # type: ignore[attr-defined]

    def setK(self, value: int | float) -> Self:  # noqa: N802
        """Set k."""
        return self._set(k=value)

    def setInputCol(self, value: str) -> Self:  # noqa: N802
        """Set the column of features."""
        return self._set(inputCol=value)

    def setOutputCol(self, value: str) -> Self:  # noqa: N802
        """Set the column to add."""
        return self._set(outputCol=value)

    def _fit(self, dataset: DataFrame) -> PCAModel:
        moments = moments_of(dataset, self.getInputCol())
        fitted = fit_pca(moments, self.getK(), standardize=self.getStandardize())
        model = PCAModel(fitted)
        model._resetUid(self.uid)
        return self._copyValues(model)


class PCAModel(ProjectionModel["PCAModel"], _PCAParams):
    """Principal components, fitted. `projection` is the `verger.projections.pca.PCA` behind it."""

    projection: pca.PCA
    _files = (save_pca, load_pca)

    @property
    def explainedVariance(self) -> DenseVector:  # noqa: N802
        """Share of the variance that each component explains, as MLlib means it."""
        return DenseVector(self.projection.explained_variance_ratio)

    @property
    def pc(self) -> DenseMatrix:
        """The components as columns (d × k), as MLlib lays them out."""
        d, k = self.projection.components.shape[::-1]
        return DenseMatrix(d, k, self.projection.components.ravel())

    def _transform(self, dataset: DataFrame) -> DataFrame:
        project = partial(self.projection.transform, whiten=self.getWhiten())
        return with_projected(dataset, self.getInputCol(), self.getOutputCol(), project)

    def toMLlib(self) -> MLlibPCAModel:  # noqa: N802
        """Return a real `pyspark.ml.feature.PCAModel` with the same components.

        MLlib does not centre: its output is ours plus `mean @ pc`, the same for every row. Raises
        `UsageError` where features are standardised or whitened, which MLlib's model cannot do,
        and through Spark Connect, where there is no Java at hand.
        """
        if self.projection.standardized or self.getWhiten():
            raise UsageError("MLlib's PCAModel cannot standardise or whiten.")
        spark = SparkSession.active()
        if not is_classic(spark):
            raise UsageError("toMLlib() needs a classic Spark session, not Spark Connect.")
        from pyspark.ml.common import _py2java

        context = spark.sparkContext
        jvm: Any = context._jvm
        java = jvm.org.apache.spark.ml.feature.PCAModel(
            f"{self.uid}_mllib",
            _py2java(context, self.pc),
            _py2java(context, self.explainedVariance),
        )
        model = MLlibPCAModel(java)
        java.set(java.getParam("k"), self.projection.k)
        java.setInputCol(self.getInputCol())
        java.setOutputCol(self.getOutputCol())
        model._resetUid(java.uid())
        model._transfer_params_from_java()
        return model
