"""The discriminant projection as a pyspark.ml Estimator and Model."""

from __future__ import annotations

from typing import Any, Self

from pyspark import keyword_only
from pyspark.ml import Estimator
from pyspark.ml.param import Param, TypeConverters
from pyspark.ml.param.shared import HasInputCol, HasLabelCol, HasOutputCol
from pyspark.ml.util import DefaultParamsReadable
from pyspark.sql import DataFrame

from verger.projections.discriminant import (
    DEFAULT_SHRINKAGE,
    fit_discriminant,
    load_discriminant,
    save_discriminant,
)
from verger.projections.discriminant import Discriminant as FittedDiscriminant
from verger.spark.ml.columns import moments_of, with_projected
from verger.spark.ml.params import Settable, param
from verger.spark.ml.persistence import ParamsWritable, ProjectionModel


class _DiscriminantParams(HasInputCol, HasOutputCol, HasLabelCol):
    shrinkage: Param[float] = param(
        "shrinkage",
        "from 0 (trust the covariance within labels) to 1 (not at all)",
        TypeConverters.toFloat,
    )

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._setDefault(
            inputCol="features",
            outputCol="discriminant",
            labelCol="label",
            shrinkage=DEFAULT_SHRINKAGE,
        )

    def getShrinkage(self) -> float:  # noqa: N802 - pyspark's name
        """Return the shrinkage."""
        return float(self.getOrDefault(self.shrinkage))


class Discriminant(
    Estimator["DiscriminantModel"],
    _DiscriminantParams,
    Settable,
    DefaultParamsReadable["Discriminant"],
    ParamsWritable,
):
    """Fits shrinkage LDA in one pass, in closed form, on square roots of features, at unit length.

    inputCol:   array<float>, array<double> or ml vector; null rows are left out of the fit
    labelCol:   any type, read as a string; rows with a null label are left out
    outputCol:  array<float> (at most labels − 1), or an ml vector if the input is one
    """

    @keyword_only
    def __init__(
        self,
        *,
        inputCol: str = "features",  # noqa: N803
        outputCol: str = "discriminant",  # noqa: N803
        labelCol: str = "label",  # noqa: N803
        shrinkage: float = DEFAULT_SHRINKAGE,
    ) -> None:
        super().__init__()
        self._set(**self._input_kwargs)  # type: ignore[attr-defined]

    def setShrinkage(self, value: float) -> Self:  # noqa: N802
        """Set the shrinkage."""
        return self._set(shrinkage=value)

    def _fit(self, dataset: DataFrame) -> DiscriminantModel:
        moments = moments_of(dataset, self.getInputCol(), self.getLabelCol())
        fitted = fit_discriminant(moments, self.getShrinkage())
        model = DiscriminantModel(fitted)
        model._resetUid(self.uid)
        return self._copyValues(model)


class DiscriminantModel(ProjectionModel["DiscriminantModel"], _DiscriminantParams):
    """A fitted discriminant projection.

    projection: the `verger.projections.discriminant.Discriminant` behind it
    """

    projection: FittedDiscriminant
    _files = (save_discriminant, load_discriminant)

    def _transform(self, dataset: DataFrame) -> DataFrame:
        project = self.projection.transform
        return with_projected(dataset, self.getInputCol(), self.getOutputCol(), project)
