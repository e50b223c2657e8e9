"""Pack Verger, and what it imports, into one archive that Spark sends to a cluster's workers.

python scripts/pack.py verger-env.tar.gz [--python 3.11] [--architecture x86_64|arm64]

Spark unpacks it beside each executor (`spark.archives`); docs/howto/cluster.md says how. Spark
itself and Java are left out: the cluster has its own.
"""

from __future__ import annotations

import argparse
import platform
import sys
from pathlib import Path

from verger.cloud.ship import pack
from verger.errors import VergerError


def main() -> None:
    """Pack, and say how large it is."""
    parser = argparse.ArgumentParser(description="Pack Verger for a cluster's workers.")
    parser.add_argument("archive", type=Path)
    mine = ".".join(platform.python_version_tuple()[:2])
    parser.add_argument("--python", default=mine, help="version of the workers' Python")
    parser.add_argument(
        "--architecture",
        choices=["x86_64", "arm64"],
        help="for Linux on this processor; left out, for this machine",
    )
    given = parser.parse_args()
    try:
        archive = pack(given.archive, given.architecture, given.python)
    except VergerError as error:
        sys.exit(f"pack.py: {error}")
    print(f"{archive}: {archive.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
