"""Fetching jars with Ivy, the resolver that Spark itself uses and brings.

Ivy knows the public repository, checks the sums of what it fetches, and names a file only when all
of it is there.
"""

from __future__ import annotations

import subprocess
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from verger.errors import EngineError
from verger.progress import Stage
from verger.spark.java import find_java

_TRIES = 3
_PATIENCE = 3600  # seconds


@dataclass(frozen=True, slots=True)
class Ivy:
    """One fetching: Spark's jars, a folder to work in, and a settings file of the user's."""

    jars: Path
    work: Path
    settings: str | None = None

    def resolve(self, module: str, stage: Stage, listed: Path | None = None) -> str:
        """Fetch what a module (XML) depends on into the work folder; return what Ivy said.

        The files' names are written into `listed`, as a class path; without it, only their
        descriptions are fetched. Raises `EngineError` where something cannot be had.
        """
        jar = next(self.jars.glob("ivy-*.jar"), None)
        if jar is None:
            raise EngineError(f"Spark brought no Ivy in {self.jars}.")
        file = self.work / "ivy.xml"
        file.write_text(module)
        command = [str(find_java().executable), *proxy_flags(urllib.request.getproxies())]
        command += ["-jar", str(jar), "-ivy", str(file), "-confs", "default"]
        command += ["-cache", str(self.work / "cache")]
        command += ["-cachepath", str(listed)] if listed else ["-types", "none"]
        command += ["-settings", self.settings] if self.settings else []
        said = ""
        for attempt in range(_TRIES):
            time.sleep(2 * attempt)
            code, said = self._run(command, stage)
            if code == 0:
                return said
            if "xception" not in said and "access error" not in said:
                break  # it answered, and has no such thing
        raise EngineError(
            f"Spark's connector for s3:// could not be fetched: {complaint(said)}",
            hint="Once it must reach Maven Central (https_proxy is heeded; a mirror is named in a "
            "file, by --spark-conf spark.jars.ivySettings=FILE).",
        )

    def _run(self, command: list[str], stage: Stage) -> tuple[int, str]:
        output = self.work / "ivy.log"
        with output.open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - the user's own Java, and Spark's own jar
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.work
            )
            until = time.monotonic() + _PATIENCE
            try:
                while process.poll() is None and time.monotonic() < until:
                    time.sleep(0.2)
                    stage.update(_megabytes(self.work))
            finally:
                process.kill()
                code = process.wait()
        return code, output.read_text(errors="replace")


def proxy_flags(proxies: Mapping[str, str]) -> list[str]:
    """Return the flags that tell Java of the proxies that Python knows (`https_proxy`, …)."""
    flags = []
    for scheme in ("http", "https"):
        address = urlsplit(proxies.get(scheme, ""))
        if address.hostname:
            flags.append(f"-D{scheme}.proxyHost={address.hostname}")
            flags.append(f"-D{scheme}.proxyPort={address.port or 80}")
    if exceptions := proxies.get("no"):
        hosts = [host.strip() for host in exceptions.split(",") if host.strip()]
        names = "|".join(f"*{host}" if host.startswith(".") else host for host in hosts)
        flags.append(f"-Dhttp.nonProxyHosts={names}")
    return flags


def complaint(said: str) -> str:
    """Return the line of Ivy's that says most of why it failed."""
    lines = [line.strip(" \t:") for line in said.splitlines()]
    for mark in ("Exception", "access error", ": not found", "FAILED", "rror"):
        if found := next((line for line in lines if mark in line), ""):
            return found[:300]
    return "Ivy did not end." if not lines else lines[-1][:300]


def _megabytes(folder: Path) -> int:
    total = 0
    for file in folder.rglob("*"):
        try:
            total += file.stat().st_size
        except OSError:
            continue  # renamed meanwhile
    return total // 1_000_000
