"""`verger rejects` lists what could not be used, and why."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from click.testing import CliRunner

from store.test_history import publish
from verger.cli.main import cli
from verger.errors import StoreError
from verger.store.layout import REJECTS
from verger.store.publication import Publication
from verger.store.store import Store

ROWS: list[dict[str, str | None]] = [
    {"path": "a/1.jpg", "label": "a", "reason": "truncated", "detail": "ends after 9 bytes"},
    {"path": "b/\x1b[31m.jpg", "label": None, "reason": "empty", "detail": None},
    {"path": "c.jpg", "label": "c", "reason": "truncated", "detail": None},
]


def of(tmp_path: Path, rows: list[dict[str, str | None]]) -> str:
    store = Store(tmp_path / "store")
    record = publish(store, 1)
    schema = pa.schema([(name, pa.string()) for name in ROWS[0]])
    with store.working("made-by") as work:
        built = work.built(f"{REJECTS}/part.parquet")
        with work.place.incoming(built) as file:
            pq.write_table(pa.Table.from_pylist(rows, schema), file)
        store.publish(work, record, Publication({REJECTS: [built]}))
    return store.root


def test_each_has_a_line_and_reasons_are_explained(tmp_path: Path) -> None:
    root = of(tmp_path, ROWS)
    done = CliRunner().invoke(cli, ["rejects", root])
    assert done.exit_code == 0
    assert done.stdout.splitlines()[:4] == [
        "truncated  a/1.jpg: ends after 9 bytes",
        "empty      b/\\x1b[31m.jpg",
        "truncated  c.jpg",
        "",
    ]
    assert "1 empty. The file has 0 bytes." in done.stdout
    assert "2 truncated. The image ends too early." in done.stdout
    assert json.loads(CliRunner().invoke(cli, ["rejects", root, "--json"]).stdout) == ROWS


def test_none_and_no_store(tmp_path: Path) -> None:
    assert CliRunner().invoke(cli, ["rejects", of(tmp_path, [])]).stdout == "No rejects.\n"
    done = CliRunner().invoke(cli, ["rejects", str(tmp_path / "no")], standalone_mode=False)
    assert isinstance(done.exception, StoreError)
