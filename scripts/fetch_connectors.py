"""Fetch what Spark needs for `s3://` into the cache folder, once; `make test` calls it.

python scripts/fetch_connectors.py
"""

from __future__ import annotations

import sys

from verger.errors import VergerError
from verger.progress import Plain
from verger.spark.connectors import connector_jars


def main() -> int:
    """Fetch, or say in one line why that failed."""
    try:
        connector_jars(reporter=Plain())
    except VergerError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
