"""What Spark is told of buckets, and which jars are fetched for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from verger.errors import EngineError
from verger.spark import connectors
from verger.spark.connectors import (
    Installed,
    connector_jars,
    platform_has_s3,
    s3_conf,
    without_committer,
)
from verger.spark.ivy import complaint, proxy_flags

SECRETS = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI",
    "AWS_SESSION_TOKEN": "IQoJb3JpZ2lu",
}


def installed(folder: Path, *names: str) -> Installed:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()
    return Installed.at(folder)


def spark(folder: Path, version: str, hadoop: str, scala: str = "2.13", *more: str) -> Installed:
    core = f"spark-core_{scala}-{version}.jar"
    return installed(folder, core, f"hadoop-client-api-{hadoop}.jar", *more)


def test_no_secret_is_among_the_settings() -> None:
    text = json.dumps(s3_conf(SECRETS | {"AWS_ENDPOINT_URL": "https://example.org"}))
    assert not [secret for secret in SECRETS.values() if secret in text]


def test_settings_follow_the_environment() -> None:
    conf = s3_conf({})
    assert conf["spark.hadoop.fs.s3.impl"] == "org.apache.hadoop.fs.s3a.S3AFileSystem"
    assert conf["spark.hadoop.fs.s3a.committer.name"] == "magic"
    assert "spark.hadoop.fs.s3a.endpoint" not in conf
    assert "spark.hadoop.fs.s3a.endpoint.region" not in conf

    conf = s3_conf({"AWS_DEFAULT_REGION": "eu-west-1"})
    assert conf["spark.hadoop.fs.s3a.endpoint.region"] == "eu-west-1"
    conf = s3_conf({"AWS_DEFAULT_REGION": "eu-west-1", "AWS_REGION": "eu-west-3"})
    assert conf["spark.hadoop.fs.s3a.endpoint.region"] == "eu-west-3"

    conf = s3_conf({"AWS_ENDPOINT_URL": "http://127.0.0.1:8333"})
    assert conf["spark.hadoop.fs.s3a.endpoint"] == "http://127.0.0.1:8333"
    assert conf["spark.hadoop.fs.s3a.connection.ssl.enabled"] == "false"
    assert conf["spark.hadoop.fs.s3a.path.style.access"] == "true"
    assert conf["spark.hadoop.fs.s3a.endpoint.region"] == "us-east-1"

    virtual = {
        "AWS_ENDPOINT_URL": "https://s3.example.org",
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "true",
    }
    conf = s3_conf(virtual)
    assert conf["spark.hadoop.fs.s3a.connection.ssl.enabled"] == "true"
    assert conf["spark.hadoop.fs.s3a.path.style.access"] == "false"


def test_without_spark_hadoop_cloud_no_class_of_it_is_named() -> None:
    conf = s3_conf({})
    left = without_committer(conf)
    assert len(left) < len(conf)
    assert not [value for value in left.values() if "commit" in value.lower()]
    assert left["spark.hadoop.fs.s3.impl"] == conf["spark.hadoop.fs.s3.impl"]


def test_anonymous_access_signs_with_nothing() -> None:
    provider = "spark.hadoop.fs.s3a.aws.credentials.provider"
    anonymous = s3_conf(SECRETS | {"AWS_SKIP_SIGNATURE": "true"})[provider]
    assert anonymous == "org.apache.hadoop.fs.s3a.AnonymousAWSCredentialsProvider"
    assert s3_conf({"AWS_SKIP_SIGNATURE": "false"})[provider].endswith("DefaultCredentialsProvider")
    assert s3_conf({}, modular=False)[provider].endswith("DefaultAWSCredentialsProviderChain")


@pytest.mark.parametrize(
    ("version", "hadoop", "scala", "committer", "modular"),
    [
        ("3.5.6", "3.3.4", "2.12", "[3.0,3.5.6]", False),
        ("4.0.2", "3.4.1", "2.13", "[4.0,4.0.2]", True),
        ("4.1.0", "3.4.2", "2.13", "[4.0,4.1.0]", True),
        ("4.3.0", "3.5.0", "2.13", "[4.0,4.3.0]", True),
    ],
)
def test_versions_are_read_from_the_names_of_jars(
    tmp_path: Path, version: str, hadoop: str, scala: str, committer: str, modular: bool
) -> None:
    found = spark(tmp_path, version, hadoop, scala, "spark-core-unused-1.jar")
    assert (found.spark, found.hadoop, found.scala) == (version, hadoop, scala)
    assert (found.committer, found.modular) == (committer, modular)


def test_a_folder_without_spark_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="No Spark"):
        Installed.at(tmp_path)


def test_a_spark_that_has_the_connector_is_given_nothing(tmp_path: Path) -> None:
    assert connector_jars(spark(tmp_path, "4.0.2", "3.4.1", "2.13", "hadoop-aws-3.4.1.jar")) == []


def test_a_platform_that_knows_s3_is_left_alone(tmp_path: Path) -> None:
    environment = {"HADOOP_CONF_DIR": str(tmp_path)}
    assert not platform_has_s3({})
    assert not platform_has_s3(environment)
    (tmp_path / "core-site.xml").write_text("<property>\n<name> fs.s3.impl </name></property>")
    assert platform_has_s3(environment)


def test_half_a_jar_is_not_taken_for_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connectors, "cache_folders", lambda: iter([tmp_path / "cache"]))
    found = spark(tmp_path / "spark", "4.3.0", "3.5.0")  # with no Ivy: nothing can be fetched
    place = tmp_path / "cache" / "jars" / "spark-4.3.0-2.13-hadoop-3.5.0"
    fetched = tmp_path / "a.jar"
    fetched.write_bytes(b"whole")
    place.parent.mkdir(parents=True)
    connectors._keep([fetched], tmp_path / "new", place)
    assert connector_jars(found) == [place / "a.jar"]
    (place / "a.jar").write_bytes(b"ha")
    with pytest.raises(EngineError, match="no Ivy"):
        connector_jars(found)
    assert sorted(path.name for path in place.parent.iterdir()) == [place.name]


def test_java_is_told_of_the_proxies_that_python_knows() -> None:
    assert proxy_flags({}) == []
    flags = proxy_flags({"https": "http://proxy.example:3128", "no": "localhost, .example.org"})
    assert flags == [
        "-Dhttps.proxyHost=proxy.example",
        "-Dhttps.proxyPort=3128",
        "-Dhttp.nonProxyHosts=localhost|*.example.org",
    ]


def test_the_line_that_says_most_is_found() -> None:
    said = ":::: WARNINGS\n\t\tServer access error (java.net.UnknownHostException: x)"
    assert "UnknownHostException" in complaint(said)
    assert complaint("a\n\t\t:: g#m;1: not found") == "g#m;1: not found"
