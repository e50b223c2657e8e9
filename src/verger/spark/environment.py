"""The variables that a Spark of Verger's own starts with.

It is a part of the program, and reads nothing that is meant for another Spark on this machine: its
folders, its settings, the options of its Java. What shall reach it is given by `--spark-conf`.
"""

from __future__ import annotations

import ctypes
import os
import re
import socket
import sys
from pathlib import Path

import pyspark

from verger.errors import EngineError
from verger.spark.java import JAVA_OPTIONS

_OF_ANOTHER = re.compile(
    r"(SPARK|HADOOP|YARN|HIVE|BEELINE)_.*|CLASSPATH|MASTER|PYSPARK_SUBMIT_ARGS"
)
_UTF8_LOCALES = ("C.UTF-8", "en_US.UTF-8")
_LC_CTYPE_MASK = 1  # of glibc and musl
_SHELL = "pyspark-shell"  # what pyspark asks spark-submit for


def own(folder: Path) -> dict[str, str | None]:
    """Return the variables to set, and those to take away (None), for a Spark on this machine.

    `folder` is the session's own.
    """
    home = Path(pyspark.__file__).parent
    # Pip's Spark has no such folder; the class-data archive is of a class path that names it.
    conf = home / "conf"
    if conf.exists():
        conf = folder / "conf"
        conf.mkdir()
    away: dict[str, str | None] = {
        name: None for name in os.environ if _OF_ANOTHER.fullmatch(name) or name in JAVA_OPTIONS
    }
    return away | {
        "SPARK_HOME": str(home),
        "SPARK_CONF_DIR": str(conf),  # which holds nothing
        # The name of this machine need not be one that anybody knows.
        "SPARK_LOCAL_IP": "127.0.0.1",
        "TMPDIR": str(folder),
    }


def without_name_server(folder: Path) -> str:
    """Return the flag that has Java ask nobody for an address: its log asks for this machine's."""
    file = folder / "hosts"
    file.write_text(f"127.0.0.1 localhost {socket.gethostname()}\n")
    return f"-Djdk.net.hosts.file={file}"


def check_the_users() -> None:
    """Raise `EngineError` where the variables of the user's Spark cannot work with this pyspark."""
    if (home := os.environ.get("SPARK_HOME")) is not None:
        found = version_at(Path(home))
        if found is None:
            raise EngineError(
                f"SPARK_HOME is {home}, where no Spark is.", hint="Correct it, or unset SPARK_HOME."
            )
        if found != pyspark.__version__:
            raise EngineError(
                f"SPARK_HOME is {home}, Spark {found}, but this Python has pyspark "
                f"{pyspark.__version__}.",
                hint=f"Unset SPARK_HOME, or `pip install pyspark=={found}`.",
            )
    given = os.environ.get("PYSPARK_SUBMIT_ARGS", _SHELL)
    if given.split()[-1:] != [_SHELL]:
        raise EngineError(
            f"PYSPARK_SUBMIT_ARGS is {given!r}, which does not end in {_SHELL}.",
            hint="Correct it, or unset PYSPARK_SUBMIT_ARGS.",
        )


def version_at(home: Path) -> str | None:
    """Return the version of the Spark in a folder, None where there is none."""
    if not (home / "bin" / "spark-submit").is_file():
        return None
    jars = (home / "jars").glob("spark-core_*.jar")
    found = next((re.fullmatch(r"spark-core_[\d.]+-(.+)\.jar", jar.name) for jar in jars), None)
    return found.group(1) if found else None


def utf8_locale() -> dict[str, str | None]:
    """Return what makes Java write the names of files in UTF-8, as Python does.

    Without a locale, or in one that is not installed, Java knows only ASCII. What it says of an
    error is then English, too, as Verger reads it.
    """
    if sys.platform != "linux" or sys.getfilesystemencoding() != "utf-8":
        return {}
    libc = ctypes.CDLL(None)
    libc.newlocale.restype = ctypes.c_void_p
    libc.newlocale.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p]
    for name in _UTF8_LOCALES:
        if libc.newlocale(_LC_CTYPE_MASK, name.encode(), None):
            return {"LC_ALL": name}
    return {}
