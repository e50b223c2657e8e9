"""Saving where Spark can write: Params as Spark saves them, fitted projections as our files.

path/metadata/   what pyspark.ml writes for any Params
path/data/       a Parquet table (name, content) with the files of `verger.projections.model_files`

All of it works through Spark Connect, but for `overwrite()`, which pyspark does in Java.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.ml import Model
from pyspark.ml.util import (
    DefaultParamsReader,
    DefaultParamsWritable,
    DefaultParamsWriter,
    MLReadable,
    MLReader,
    MLWritable,
    MLWriter,
)

from verger.errors import StoreError, UsageError
from verger.spark.failures import translated

_NAME = re.compile(r"[a-z_]+(\.[a-z_]+)+")
_Model = TypeVar("_Model", bound="MLReadable[Any]")


class _Writer(MLWriter):
    """Saves to a new path, or over an old one; says in a line why it cannot."""

    def save(self, path: str) -> None:
        """Save. Raises `StoreError` where the path is taken or cannot be written."""
        if self.shouldOverwrite and not is_classic(self.sparkSession):
            raise UsageError(
                "overwrite() does not work through Spark Connect.", hint="Save to a new path."
            )
        with _errors_of(path):
            super().save(path)


class ParamsWriter(_Writer, DefaultParamsWriter):
    """Writes the Params of an estimator or transformer."""


class ParamsWritable(DefaultParamsWritable):
    """Mixin: `write()` and `save(path)` for what holds Params alone."""

    def write(self) -> ParamsWriter:
        """Return a writer: `estimator.write().overwrite().save(path)`."""
        return ParamsWriter(self)  # type: ignore[arg-type]


class FilesWriter(_Writer):
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
        with _errors_of(path):
            return self._read(path)

    def _read(self, path: str) -> _Model:
        spark = self.sparkSession
        metadata = DefaultParamsReader.loadMetadata(path, _context(spark))
        if not str(metadata.get("class", "")).endswith(f".{self._model.__name__}"):
            raise StoreError(f"{path} holds a {metadata.get('class')}, no {self._model.__name__}.")
        with tempfile.TemporaryDirectory() as folder:
            for row in spark.read.parquet(f"{path}/data").select("name", "content").collect():
                if not _NAME.fullmatch(str(row["name"])):
                    raise StoreError(f"{path} holds a file of a foreign name: {row['name']!r}.")
                (Path(folder) / row["name"]).write_bytes(row["content"])
            try:
                projection = self._load(Path(folder))
            except StoreError as error:  # names a file in a folder that is no more
                hint = "" if "verger run" in error.hint else error.hint
                raise StoreError(error.what.replace(folder, path), hint=hint) from None
        instance: Any = self._model(projection)  # type: ignore[call-arg]
        instance._resetUid(metadata["uid"])
        DefaultParamsReader.getAndSetParams(instance, metadata)
        return instance  # type: ignore[no-any-return]


class ProjectionModel(Model, MLReadable[_Model], MLWritable):
    """A fitted `projection`, one of `verger.projections`, which that room saves and loads."""

    _files: ClassVar[tuple[Callable[[Any, Path], None], Callable[[Path], Any]]]
    """How a projection is saved, and loaded."""

    def __init__(self, projection: Any) -> None:
        super().__init__()
        self.projection = projection

    def write(self) -> FilesWriter:
        """Return a writer: `model.write().overwrite().save(path)`."""
        return FilesWriter(self, self._files[0])

    @classmethod
    def read(cls) -> FilesReader[_Model]:
        """Return a reader: `PCAModel.load(path)`, or another class."""
        return FilesReader(cls, cls._files[1])  # type: ignore[arg-type]


def is_classic(spark: Any) -> bool:
    """Say whether a session has Java at hand, as it has not through Spark Connect."""
    return not type(spark).__module__.startswith("pyspark.sql.connect")


@contextmanager
def _errors_of(path: str) -> Iterator[None]:
    """Say in one line what was wrong with a saved model, or with the place for one."""
    try:
        yield
    except (PySparkException, Py4JError) as error:
        text = str(error)
        # Spark 3.5 writes the Params as an RDD, and Hadoop says it in its own words.
        if "PATH_ALREADY_EXISTS" in text or "FileAlreadyExistsException" in text:
            raise StoreError(
                f"{path} exists already.", hint="write().overwrite().save(…) replaces it."
            ) from None
        if "PATH_NOT_FOUND" in text or "does not exist" in text:
            raise StoreError(f"There is no saved model at {path}, or not all of it.") from None
        failed = translated(text)
        raise StoreError(f"{path}: {failed.what}", hint=failed.hint) from error
    except (ValueError, TypeError, KeyError, AttributeError, AssertionError) as error:
        raise StoreError(f"{path} holds no model that this version reads ({error!r}).") from None


def _context(spark: Any) -> Any:
    """Return what pyspark's own helpers want: a context before 4.0, a session from then on."""
    return spark if int(spark.version.split(".")[0]) >= 4 else spark.sparkContext
