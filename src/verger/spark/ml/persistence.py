"""Saving fitted models where Spark can write: Params as Spark saves them, the rest as our files.

path/metadata/   what pyspark.ml writes for any Params
path/data/       a Parquet table (name, content) with the files of `verger.models`
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

from pyspark.ml.util import DefaultParamsReader, DefaultParamsWriter, MLReader, MLWriter

from verger.errors import StoreError

_NAME = re.compile(r"[a-z_]+(\.[a-z_]+)+")
_Model = TypeVar("_Model")


class FilesWriter(MLWriter):
    """Writes a model whose projection `save(projection, folder)` writes as files."""

    def __init__(self, instance: Any, save: Callable[[Any, Path], None]) -> None:
        super().__init__()
        self._instance = instance
        self._save = save

    def saveImpl(self, path: str) -> None:  # noqa: N802 - pyspark's name
        """Write the Params, then the files."""
        spark = self.sparkSession
        DefaultParamsWriter.saveMetadata(self._instance, path, _context(spark))
        with tempfile.TemporaryDirectory() as folder:
            self._save(self._instance.projection, Path(folder))
            files = [(file.name, file.read_bytes()) for file in sorted(Path(folder).iterdir())]
        table = spark.createDataFrame(files, "name string, content binary")
        table.coalesce(1).write.parquet(f"{path}/data")


class FilesReader(MLReader[Any], Generic[_Model]):
    """Reads what `FilesWriter` wrote; the files are audited before a model is made of them."""

    def __init__(self, model: type[_Model], load: Callable[[Path], Any]) -> None:
        super().__init__()
        self._model = model
        self._load = load

    def load(self, path: str) -> _Model:
        """Read a model. Raises `StoreError` where it is not whole or not one of ours."""
        spark = self.sparkSession
        metadata = DefaultParamsReader.loadMetadata(path, _context(spark))
        if not str(metadata.get("class", "")).endswith(f".{self._model.__name__}"):
            raise StoreError(f"{path} holds a {metadata.get('class')}, no {self._model.__name__}.")
        with tempfile.TemporaryDirectory() as folder:
            for row in spark.read.parquet(f"{path}/data").collect():
                if not _NAME.fullmatch(row["name"]):
                    raise StoreError(f"{path} holds a file of a foreign name: {row['name']!r}.")
                (Path(folder) / row["name"]).write_bytes(row["content"])
            instance: Any = self._model(self._load(Path(folder)))  # type: ignore[call-arg]
        instance._resetUid(metadata["uid"])
        DefaultParamsReader.getAndSetParams(instance, metadata)
        return instance  # type: ignore[no-any-return]


def _context(spark: Any) -> Any:
    """Return what pyspark's own helpers want: a context before 4.0, a session from then on."""
    return spark if int(spark.version.split(".")[0]) >= 4 else spark.sparkContext
