"""What Spark needs to read and write `s3://`: the connector's jars, and its settings.

pip brings Spark without its S3 connector. Where it is not on the class path already (EMR has one
of its own), it is fetched once with Ivy, the resolver that Spark itself uses, into the user's
cache folder. Hadoop asks for the whole AWS SDK in one jar of 670 MB; the few modules of it that the
connector calls are 14 MB, and these are what is fetched.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyspark

from verger.errors import EngineError
from verger.progress import Reporter, Silent
from verger.spark.ivy import Ivy
from verger.spark.java import cache_folders

SCHEMES = frozenset({"s3", "s3a"})
_MANIFEST = "jars.json"
_AWS = "org.apache.hadoop.fs.s3a"
# What the connector calls of the SDK: requests, uploads in parts, and web identities.
_SDK = ("s3-transfer-manager", "apache-client", "netty-nio-client", "sts")


@dataclass(frozen=True, slots=True)
class Installed:
    """The Spark that is installed: its folder of jars, and the versions that these have."""

    jars: Path
    spark: str
    scala: str
    hadoop: str

    @classmethod
    def find(cls) -> Installed:
        """Read the versions from the names of Spark's jars. Raises `EngineError`."""
        home = os.environ.get("SPARK_HOME") or str(Path(pyspark.__file__).parent)
        return cls.at(Path(home) / "jars")

    @classmethod
    def at(cls, jars: Path) -> Installed:
        """Read the versions from the names of the jars in a folder. Raises `EngineError`."""
        names = " ".join(sorted(file.name for file in jars.glob("*.jar")))
        core = re.search(r"(?:^| )spark-core_([\d.]+)-(\d[\w.-]*?)\.jar", names)
        client = re.search(r"(?:^| )hadoop-client-api-(\d[\w.-]*?)\.jar", names)
        if core is None or client is None:
            raise EngineError(f"No Spark with Hadoop 3 was found in {jars}.")
        return cls(jars, core.group(2), core.group(1), client.group(1))

    @property
    def has_connector(self) -> bool:
        """Whether the connector is among Spark's own jars."""
        return any(self.jars.glob("hadoop-aws-*.jar"))

    @property
    def committer(self) -> str:
        """The versions of spark-hadoop-cloud that fit: the newest that is not newer than Spark.

        Not each version of Spark was published with one.
        """
        return f"[{self.spark.split('.')[0]}.0,{self.spark}]"

    @property
    def modular(self) -> bool:
        """Whether this Hadoop's connector is built on version 2 of the SDK, which has modules."""
        return [int(part) for part in self.hadoop.split(".")[:2]] >= [3, 4]


def connector_jars(
    installed: Installed | None = None,
    reporter: Reporter | None = None,
    *,
    ivy_settings: str | None = None,
) -> list[Path]:
    """Return the jars that Spark's class path lacks for `s3://`, fetching them at the first time.

    `ivy_settings` is a file of Ivy's (`spark.jars.ivySettings`), for those who have a mirror.
    Raises `EngineError` where the jars are not there and cannot be fetched.
    """
    installed = installed or Installed.find()
    if installed.has_connector:
        return []
    name = f"spark-{installed.spark}-{installed.scala}-hadoop-{installed.hadoop}"
    places = [folder / "jars" / name for folder in cache_folders()]
    for place in places:
        if jars := _whole(place):
            return jars
    for place in places:
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            work = Path(tempfile.mkdtemp(prefix=".fetching-", dir=place.parent))
        except OSError:
            continue
        try:
            _fetch(installed, work, place, reporter or Silent(), ivy_settings)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        return _whole(place)
    raise EngineError("No folder could be written for Spark's jars.", hint="Set XDG_CACHE_HOME.")


def platform_has_s3(environment: Mapping[str, str]) -> bool:
    """Say whether this machine's Hadoop knows `s3://` by itself, as EMR's does."""
    folder = environment.get("HADOOP_CONF_DIR")
    try:
        return folder is not None and "<name>fs.s3.impl<" in re.sub(
            r"\s", "", (Path(folder) / "core-site.xml").read_text(errors="replace")
        )
    except OSError:
        return False


def running_conf(jvm: Any, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the settings for `s3://` that a Java which runs already (spark-submit) still lacks.

    Nothing where its platform knows `s3://`, and no committer where it has none of Spark's. Raises
    `EngineError` where it has no connector at all.
    """
    if jvm.org.apache.hadoop.conf.Configuration().get("fs.s3.impl"):
        return {}
    installed = Installed.find()
    if not _has_class(jvm, f"{_AWS}.S3AFileSystem"):
        package = f"org.apache.hadoop:hadoop-aws:{installed.hadoop}"
        raise EngineError(
            "This Spark has no connector for s3://.", hint=f"spark-submit --packages {package}"
        )
    conf = s3_conf(environment, modular=installed.modular)
    if not _has_class(jvm, conf["spark.sql.sources.commitProtocolClass"]):
        return without_committer(conf)
    return conf


def without_committer(conf: Mapping[str, str]) -> dict[str, str]:
    """Leave out the settings that need spark-hadoop-cloud."""
    return {key: value for key, value in conf.items() if "commit" not in key.lower()}


def _has_class(jvm: Any, name: str) -> bool:
    loader = jvm.java.lang.Thread.currentThread().getContextClassLoader()
    try:
        loader.loadClass(name)
    except Exception:  # noqa: BLE001 - what py4j raises for a ClassNotFoundException
        return False
    return True


def s3_conf(environment: Mapping[str, str], *, modular: bool = True) -> dict[str, str]:
    """Return Spark's settings for `s3://`, from the variables that the reader of photos goes by.

    No key is among them: the connector reads `environment` itself, or the user's profile, or asks
    the machine. `modular` says that the connector has version 2 of the SDK (Hadoop 3.4 and later).
    """
    hadoop = {
        "fs.s3.impl": f"{_AWS}.S3AFileSystem",
        "fs.AbstractFileSystem.s3.impl": f"{_AWS}.S3A",
        "mapreduce.outputcommitter.factory.scheme.s3": f"{_AWS}.commit.S3ACommitterFactory",
        "mapreduce.outputcommitter.factory.scheme.s3a": f"{_AWS}.commit.S3ACommitterFactory",
        # Files appear when their job is committed, all at once, and none is copied to rename it.
        "fs.s3a.committer.name": "magic",
        "fs.s3a.committer.magic.enabled": "true",
        # Of a body that stops coming; Hadoop 3.3, with Spark 3.5, would wait 200 seconds each time.
        "fs.s3a.connection.timeout": "30000",
        "fs.s3a.aws.credentials.provider": _credentials(environment, modular=modular),
    }
    if region := environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION"):
        hadoop["fs.s3a.endpoint.region"] = region
    if endpoint := environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL"):
        hadoop["fs.s3a.endpoint"] = endpoint
        hadoop["fs.s3a.connection.ssl.enabled"] = str(not endpoint.startswith("http:")).lower()
        virtual = _is_true(environment.get("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", ""))
        hadoop["fs.s3a.path.style.access"] = str(not virtual).lower()
        hadoop.setdefault("fs.s3a.endpoint.region", "us-east-1")  # the reader's default too
    cloud = "org.apache.spark.internal.io.cloud"
    return {
        **{f"spark.hadoop.{key}": value for key, value in hadoop.items()},
        "spark.sql.sources.commitProtocolClass": f"{cloud}.PathOutputCommitProtocol",
        "spark.sql.parquet.output.committer.class": f"{cloud}.BindingParquetOutputCommitter",
    }


def _credentials(environment: Mapping[str, str], *, modular: bool) -> str:
    if _is_true(environment.get("AWS_SKIP_SIGNATURE", "")):
        return f"{_AWS}.AnonymousAWSCredentialsProvider"
    standard = (
        "software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider"
        if modular
        else "com.amazonaws.auth.DefaultAWSCredentialsProviderChain"
    )
    # Spark hands the keys of the driver's environment to workers on other machines as Hadoop
    # settings, which it never shows; the first two read these.
    handed = (f"{_AWS}.TemporaryAWSCredentialsProvider", f"{_AWS}.SimpleAWSCredentialsProvider")
    return ",".join((*handed, standard))


def _is_true(text: str) -> bool:
    return text.strip().lower() in ("1", "true", "yes", "on", "y", "t")


def _whole(place: Path) -> list[Path]:
    """Return the jars of a folder if each is there and as long as it was when it was fetched."""
    try:
        sizes: dict[str, int] = json.loads((place / _MANIFEST).read_text())["sizes"]
        jars = [place / name for name in sizes]
        whole = all(jar.stat().st_size == sizes[jar.name] for jar in jars)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []
    return jars if whole else []


def _fetch(
    installed: Installed, work: Path, place: Path, reporter: Reporter, ivy_settings: str | None
) -> None:
    ivy = Ivy(installed.jars, work, ivy_settings)
    listed = work / "class-path"

    def fetch(size: str, sdk: str | None) -> None:
        reporter.say(
            f"Fetching Spark's connector for s3:// from Maven Central: {size}, once, into {place}"
        )
        with reporter.stage("Fetching", None, "MB") as stage:
            ivy.resolve(_module(_dependencies(installed, sdk)), stage, listed)

    if installed.modular:
        with Silent().stage("", None, "") as stage:
            found = ivy.resolve(_module([_connector(installed)]), stage)
        # The version that this connector was built on.
        named = re.search(r"software\.amazon\.awssdk#bundle;([\w.]+)", found)
        if named is None:
            raise EngineError("Ivy did not say which AWS SDK the connector needs.")
        try:
            fetch("15 MB", named.group(1))
        except EngineError as error:
            if "not found" not in error.what:
                raise
            fetch("600 MB", None)  # a mirror without the modules
    else:
        fetch("280 MB", None)
    fetched = [Path(name) for name in listed.read_text().strip().split(os.pathsep)]
    _keep(fetched, work / "new", place)


def _keep(fetched: list[Path], new: Path, place: Path) -> None:
    """Put jars into their folder, all or none, and write down how long each is."""
    new.mkdir()
    for jar in fetched:
        jar.replace(new / jar.name)
    jars = sorted(new.iterdir())
    sizes = {jar.name: jar.stat().st_size for jar in jars}
    sums = {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in jars}
    (new / _MANIFEST).write_text(json.dumps({"sizes": sizes, "sha256": sums}, indent=1))
    if place.exists() and not _whole(place):
        shutil.rmtree(place)
    try:
        new.rename(place)
    except OSError:  # another run was as fast
        if not _whole(place):
            raise


def _connector(installed: Installed) -> str:
    return _dependency("org.apache.hadoop", "hadoop-aws", installed.hadoop, "compile(*),master(*)")


def _dependencies(installed: Installed, sdk: str | None) -> list[str]:
    """List what to fetch, as elements of a module of Ivy's; without `sdk`, the SDK as one jar."""
    cloud = f"spark-hadoop-cloud_{installed.scala}"
    committer = _dependency("org.apache.spark", cloud, installed.committer, "master(*)")
    if sdk is None:
        return [_connector(installed), committer]
    parts = "runtime(*),compile(*),master(*)"
    bundle = '<exclude org="software.amazon.awssdk" module="bundle"/>'
    return [
        _connector(installed).replace("/>", f">{bundle}</dependency>"),
        committer,
        *(_dependency("software.amazon.awssdk", module, sdk, parts) for module in _SDK),
        # Spark has these.
        '<exclude org="io.netty"/>',
        '<exclude org="org.slf4j"/>',
    ]


def _dependency(organisation: str, name: str, version: str, parts: str) -> str:
    transitive = str(parts != "master(*)").lower()
    return (
        f'<dependency org="{organisation}" name="{name}" rev="{version}" '
        f'conf="default->{parts}" transitive="{transitive}"/>'
    )


def _module(dependencies: list[str]) -> str:
    return (
        '<ivy-module version="2.0"><info organisation="verger" module="connectors"/>'
        '<configurations><conf name="default"/></configurations>'
        f"<dependencies>{''.join(dependencies)}</dependencies></ivy-module>"
    )
