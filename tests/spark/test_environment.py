"""What a Spark of Verger's own is started with, and what is said of variables that cannot work."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyspark
import pytest
from py4j.protocol import Py4JJavaError

from verger.errors import EngineError
from verger.spark.environment import check_the_users, own, utf8_locale, version_at

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

HOME = Path(pyspark.__file__).parent


def test_what_is_meant_for_another_spark_is_taken_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (
        "SPARK_LOCAL_DIRS",
        "HADOOP_CONF_DIR",
        "JAVA_TOOL_OPTIONS",
        "MASTER",
        "SPARK_HOME",
    ):
        monkeypatch.setenv(name, "/no/such/place")
    monkeypatch.setenv("SPARKLING", "kept")
    made = own(tmp_path)
    assert made["SPARK_LOCAL_DIRS"] is made["HADOOP_CONF_DIR"] is made["MASTER"] is None
    assert made["JAVA_TOOL_OPTIONS"] is None
    assert made["SPARK_HOME"] == str(HOME)
    assert "SPARKLING" not in made
    assert "PATH" not in made


def test_the_class_path_is_that_of_the_class_data_archive(tmp_path: Path) -> None:
    """Java takes an archive only with the class path that it was made with."""
    if (HOME / "conf").exists():
        pytest.skip("this pyspark has settings of its own")
    assert own(tmp_path)["SPARK_CONF_DIR"] == str(HOME / "conf")


@pytest.mark.parametrize("jar", ["spark-core_2.12-2.4.8.jar", None])
def test_a_spark_home_that_is_another_spark_s_or_none_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jar: str | None
) -> None:
    monkeypatch.setenv("SPARK_HOME", str(tmp_path))
    told = f"SPARK_HOME is {tmp_path}, where no Spark is. Correct it, or unset SPARK_HOME."
    if jar:
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "spark-submit").touch()
        (tmp_path / "jars").mkdir()
        (tmp_path / "jars" / jar).touch()
        told = f"SPARK_HOME is {tmp_path}, Spark 2.4.8, but this Python has pyspark"
    with pytest.raises(EngineError, match=told):
        check_the_users()


def test_the_spark_of_this_python_is_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert version_at(HOME) == pyspark.__version__
    monkeypatch.setenv("SPARK_HOME", str(HOME))
    check_the_users()


def test_arguments_that_spark_submit_cannot_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPARK_HOME", raising=False)
    monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", "--packages a:b:1 pyspark-shell")
    check_the_users()
    monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", "--packages a:b:1")
    with pytest.raises(EngineError, match="PYSPARK_SUBMIT_ARGS is '--packages a:b:1', which does"):
        check_the_users()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere Java takes UTF-8 by itself")
def test_the_locale_is_one_that_is_there() -> None:
    env = {key: value for key, value in {**os.environ, **utf8_locale()}.items() if value}
    locale = shutil.which("locale") or "locale"
    ran = subprocess.run([locale, "charmap"], env=env, capture_output=True, text=True, check=True)
    assert (ran.stdout.strip(), ran.stderr) == ("UTF-8", "")


@pytest.mark.any_spark
@pytest.mark.spark
def test_java_reads_names_asks_nobody_and_leaves_nothing_in_tmp(spark: SparkSession) -> None:
    java: Any = spark.sparkContext._jvm
    assert java.java.lang.System.getProperty("sun.jnu.encoding") == "UTF-8"
    folder = Path(str(java.java.lang.System.getProperty("java.io.tmpdir")))
    assert folder.name.startswith("vg-")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert str(spark.sparkContext.getConf().get("spark.local.dir")) == str(folder)
    assert "localhost" in (folder / "hosts").read_text()


@pytest.mark.any_spark
@pytest.mark.spark
def test_who_does_not_know_the_secret_is_not_answered(spark: SparkSession) -> None:
    """Spark's ports are open to all users of this machine: a stranger's call is refused."""
    jvm: Any = spark.sparkContext._jvm
    port = int(spark.sparkContext.getConf().get("spark.driver.port") or 0)
    conf = jvm.org.apache.spark.SparkConf(False)
    config = getattr(jvm.org.apache.spark.internal.config, "package$")
    secret = getattr(config, "MODULE$").AUTH_SECRET_FILE()
    manager = jvm.org.apache.spark.SecurityManager(conf, jvm.scala.Option.empty(), secret)
    here = "127.0.0.1"
    stranger = jvm.org.apache.spark.rpc.RpcEnv.create(
        "stranger", here, here, 0, conf, manager, 1, True
    )
    try:
        address = jvm.org.apache.spark.rpc.RpcAddress(here, port)
        with pytest.raises(Py4JJavaError, match="awaitResult"):
            stranger.setupEndpointRef(address, "HeartbeatReceiver")
    finally:
        stranger.shutdown()
