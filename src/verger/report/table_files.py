"""The tables of a report as Parquet files, whose pages carry a CRC-32 that reading checks."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from verger.storage.place import Place

# What `read_table` and a look into what it returns raise for a file that is damaged or hostile.
UNREADABLE = (OSError, KeyError, ValueError, TypeError, OverflowError, pa.ArrowException)


def write_table(table: pa.Table, file: Path, **options: Any) -> None:
    """Write a table; `options` are those of `pyarrow.parquet.write_table`."""
    pq.write_table(table, file, write_page_checksum=True, **options)


def read_table(place: Place, path: str) -> pa.Table:
    """Read the table that an earlier report left. Raises some of `UNREADABLE`."""
    return pq.read_table(io.BytesIO(place.read(path)), page_checksum_verification=True)
