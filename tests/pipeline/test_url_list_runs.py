"""Whole runs over a list of photos on a real HTTP server."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from verger.pipeline import run
from webserver import serve
from whole_runs import Here

pytestmark = pytest.mark.spark


def test_a_list_of_urls_grows(
    here: Here, few: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    folder, store = tmp_path / "photos", tmp_path / "store"
    with serve() as site:

        def put(name: str, body: bytes) -> None:
            site.put(f"/photos/{name}", body, e_tag=f'"{hashlib.md5(body).hexdigest()}"')  # noqa: S324
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(body)

        names = [f"{file.parent.name.replace(' ', '-')}/{n}.jpg" for n, file in enumerate(few[:7])]
        for name, file in zip(names, few, strict=False):
            put(name, file.read_bytes())
        lines = [*names, "page.html", "gone.jpg"]
        site.put("/photos/page.html", b"<html>")
        url = site.put("/photos/list.txt", "\n".join(lines).encode()) + "?token=secret"
        site.pages["/photos/list.txt?token=secret"] = site.pages["/photos/list.txt"]

        ended = here("run", url, store)
        assert ended.code == 0, ended.err
        assert "secret" not in ended.out + ended.err
        record = json.loads((store / "run.json").read_text())
        assert record["photos"] == f"{site.url}/photos/list.txt"
        assert record["counts"]["embedded"] == 7
        assert record["counts"]["rejected_by_reason"] == {"not_an_image": 1, "unreadable": 1}
        run(folder, tmp_path / "same")
        mine, same = (
            pd.read_parquet(where / "features").sort_values("path", ignore_index=True)
            for where in (store, tmp_path / "same")
        )
        assert mine[["path", "label", "bytes"]].equals(same[["path", "label", "bytes"]])
        np.testing.assert_array_equal(
            np.stack(list(mine["features"])), np.stack(list(same["features"]))
        )

        site.asked.clear()
        put(names[0], few[8].read_bytes())
        put("new/photo", few[9].read_bytes())
        lines = [*names[:6], "page.html", "gone.jpg", "new/photo"]
        site.put("/photos/list.txt?token=secret", "\n".join(lines).encode())
        ended = here("run", url, store, "--json")
        assert ended.code == 0, ended.err
        assert json.loads(ended.out)["changes"] == {
            "new": 1, "changed": 1, "retried": 0, "kept": 7, "relabelled": 0, "gone": 1
        }  # fmt: skip
        opened = ["/photos/list.txt?token=secret", f"/photos/{names[0]}", "/photos/new/photo"]
        assert site.gets() == sorted(opened)
