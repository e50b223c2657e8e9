"""Photos to features as a pyspark.ml Transformer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from pyspark import keyword_only
from pyspark.ml import Transformer
from pyspark.ml.param import Param, TypeConverters
from pyspark.ml.param.shared import HasInputCol, HasOutputCol
from pyspark.ml.util import DefaultParamsReadable
from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812
from pyspark.sql.pandas.functions import pandas_udf
from pyspark.sql.types import BinaryType, StringType

from verger.embed import open_backbone
from verger.embed.card import views_of
from verger.embed.features import Embedder, embed
from verger.errors import UsageError
from verger.photos.address import Address
from verger.photos.reasons import Reason
from verger.photos.references import PhotoRef
from verger.settings import DEFAULT_BACKBONE
from verger.spark.ml.params import Settable, param
from verger.spark.ml.persistence import ParamsWritable
from verger.spark.session import choose_python
from verger.storage.folder import read_file
from verger.store.store import Store
from verger.tasks.embedding import network

_MADE = "_verger_embedded"


class PhotoEmbedder(
    Transformer,
    HasInputCol,
    HasOutputCol,
    Settable,
    DefaultParamsReadable["PhotoEmbedder"],
    ParamsWritable,
):
    """Adds the features of photos (array<float>; null if there are none, with the reason beside).

    inputCol:   paths (string) that every worker can open, or the bytes of the files (binary)
    outputCol:  array<float>, 1280 numbers by default
    reasonCol:  string, null for a photo that was embedded; otherwise one of the documented reasons
    """

    reasonCol: Param[str] = param(  # noqa: N815
        "reasonCol",
        "column for the reason why a photo has no features; null if it has some",
        TypeConverters.toString,
    )
    backbone: Param[str] = param(
        "backbone",
        "name of a shipped network, or an ONNX file that every worker can read",
        TypeConverters.toString,
    )
    imageSize: Param[int] = param(  # noqa: N815
        "imageSize",
        "side of the square that the network sees, in pixels; 0: as the network's card says",
        TypeConverters.toInt,
    )
    views: Param[list[int]] = param(
        "views",
        "for each view of a photo, the length in pixels that its shorter side is resized to before "
        "the square is cut; none: as the network's card says",
        TypeConverters.toListInt,
    )
    batchSize: Param[int] = param(  # noqa: N815
        "batchSize", "photos per batch of the network", TypeConverters.toInt
    )
    maxPixels: Param[int] = param(  # noqa: N815
        "maxPixels", "photos with more pixels are not decoded", TypeConverters.toInt
    )

    @keyword_only
    def __init__(
        self,
        *,
        inputCol: str = "path",  # noqa: N803
        outputCol: str = "features",  # noqa: N803
        reasonCol: str = "reason",  # noqa: N803
        backbone: str = DEFAULT_BACKBONE,
        imageSize: int = 0,  # noqa: N803
        views: Sequence[int] = (),
        batchSize: int = 4,  # noqa: N803
        maxPixels: int = 100_000_000,  # noqa: N803
    ) -> None:
        super().__init__()
        self._setDefault(
            inputCol="path",
            outputCol="features",
            reasonCol="reason",
            backbone=DEFAULT_BACKBONE,
            imageSize=0,
            views=[],
            batchSize=4,
            maxPixels=100_000_000,
        )
        self._set(**self._input_kwargs)  # type: ignore[attr-defined]

    @classmethod
    def of_store(cls, store: str | Path, inputCol: str = "path") -> PhotoEmbedder:  # noqa: N803
        """Return one that sees photos as the run in STORE did: same network, size and views.

        Raises `StoreError` where there is no finished run in STORE.
        """
        record = Store(store).whole_run()
        made = record["backbone"]
        return cls(
            inputCol=inputCol,
            backbone=record["settings"]["backbone"],
            imageSize=made["image_size"],
            views=views_of(made),
        )

    def _transform(self, dataset: DataFrame) -> DataFrame:
        name = self.getInputCol()
        if name not in dataset.columns:
            raise UsageError(
                f"There is no column {name!r}; there are {', '.join(dataset.columns)}."
            )
        kind = dataset.schema[name].dataType
        if not isinstance(kind, StringType | BinaryType):
            raise UsageError(f"Column {name!r} is {kind.simpleString()}; give paths or bytes.")
        choose_python()
        embedder = Embedder(
            open_backbone(
                self.getOrDefault(self.backbone),
                self.getOrDefault(self.imageSize) or None,
                self.getOrDefault(self.views) or None,
            ),
            self.getOrDefault(self.batchSize),
            self.getOrDefault(self.maxPixels),
        )

        # Spark reads these annotations at run time, where a Series takes no parameter.
        def make(columns: Iterator[pd.Series]) -> Iterator[pd.DataFrame]:
            for column in columns:
                yield _embedded(column.tolist(), embedder)

        schema = "features array<float>, reason string"
        udf: Any = pandas_udf(make, schema)  # type: ignore[call-overload]
        # Without this, Spark would embed each photo once for each of the two columns.
        made = udf.asNondeterministic()(F.col(name)).alias(_MADE)
        return (
            dataset.select("*", made)
            .withColumn(self.getOutputCol(), F.col(f"{_MADE}.features"))
            .withColumn(self.getOrDefault(self.reasonCol), F.col(f"{_MADE}.reason"))
            .drop(_MADE)
        )


def _embedded(values: list[Any], embedder: Embedder) -> pd.DataFrame:
    """Embed paths or bytes, in a worker; one row for each, in order."""
    refs = [_reference(at, value) for at, value in enumerate(values)]

    def read(at: str) -> bytes:
        value = values[int(at)]
        if isinstance(value, bytes | bytearray):
            return bytes(value)
        return read_file(Address.of(value).file or Path(value))

    features: list[Any] = [None] * len(values)
    reasons: list[str | None] = [None] * len(values)
    for some in embed(refs, embedder, read, network(embedder.backbone)):
        for at, row in zip(
            some.features["path"].to_pylist(), some.features["features"], strict=True
        ):
            features[int(at)] = row.values.to_numpy()
        for at, why in zip(
            *(some.rejects[name].to_pylist() for name in ("path", "reason")), strict=True
        ):
            reasons[int(at)] = why
    return pd.DataFrame(
        {"features": pd.Series(features, dtype=object), "reason": pd.Series(reasons, dtype=object)}
    )


def _reference(at: int, value: Any) -> PhotoRef:
    """Refer to a value by its place: the same path may stand in a column twice."""
    epoch = datetime.fromtimestamp(0, tz=UTC)
    if value is None:
        return PhotoRef(str(at), None, 0, epoch, Reason.UNREADABLE, "null")
    return PhotoRef(str(at), None, len(value) if isinstance(value, bytes) else 0, epoch)
