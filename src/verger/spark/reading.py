"""Reading a table by its very path, whatever characters it has."""

from __future__ import annotations

from pathlib import Path

from pyspark.sql import DataFrameReader, SparkSession


def reader(spark: SparkSession) -> DataFrameReader:
    """Return a reader of plain paths: by default Spark takes `*?[]{}` in them for patterns."""
    return spark.read.option("__globPaths__", "false")


def spark_path(path: Path) -> str:
    """Write a local path for Spark: absolute, since it takes `a:b/c` for another file system."""
    return str(path.absolute())
