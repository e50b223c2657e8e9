"""Whole runs over a list of photos on a real HTTP server."""

from __future__ import annotations

import hashlib
import json
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from verger.pipeline import run
from webserver import Answer, serve
from whole_runs import NO_REPORT, Here

pytestmark = pytest.mark.slow


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
        run(folder, tmp_path / "same", NO_REPORT)
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
            "new": 1, "changed": 1, "retried": 0, "kept": 7, "relabelled": 0, "gone": 1,
            "reused": 0, "resumed": 0,
        }  # fmt: skip
        opened = ["/photos/list.txt?token=secret", f"/photos/{names[0]}", "/photos/new/photo"]
        assert site.gets() == sorted(opened)


def test_what_a_server_refuses_in_passing_is_taken_up_later(
    here: Here, few: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """429 with Retry-After and 503 pass within the run, 500 for ever later, 404 never."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    store = tmp_path / "store"
    bodies = [file.read_bytes() for file in few[:5]]
    with serve() as site:

        def refused(status: int, times: int, body: bytes, **headers: str) -> Answer:
            left = [times]

            def answer(handler: BaseHTTPRequestHandler) -> None:
                is_refused = handler.command == "GET" and left[0] > 0
                left[0] -= handler.command == "GET"
                handler.send_response(status if is_refused else 200)
                for name, value in headers.items() if is_refused else {"ETag": '"1"'}.items():
                    handler.send_header(name.replace("_", "-"), value)
                shown = b"" if is_refused else body
                handler.send_header("Content-Length", str(len(shown)))
                handler.end_headers()
                if handler.command == "GET":
                    handler.wfile.write(shown)

            return answer

        site.put("/p/a/0.jpg", bodies[0], e_tag='"1"')
        site.put("/p/a/1.jpg", bodies[1], e_tag='"1"')
        site.pages["/p/b/busy.jpg"] = refused(429, 1, bodies[2], Retry_After="2")
        site.pages["/p/b/slow.jpg"] = refused(503, 2, bodies[3])
        site.pages["/p/b/broken.jpg"] = refused(500, 10**6, bodies[4])
        names = ["a/0.jpg", "a/1.jpg", "b/busy.jpg", "b/slow.jpg", "b/broken.jpg", "b/gone.jpg"]
        url = site.put("/p/list.txt", "\n".join(names).encode())

        ended = here("run", url, store)
        assert ended.code == 0, ended.err
        assert "2 rejected: 1 unavailable, 1 unreadable. The next run tries 1 of them" in ended.out
        rejects = pd.read_parquet(store / "rejects").set_index("path")["reason"].to_dict()
        assert rejects == {"b/broken.jpg": "unavailable", "b/gone.jpg": "unreadable"}

        made = (store / "matrix.csv").stat().st_mtime_ns
        site.asked.clear()
        record = json.loads(here("run", url, store, "--json").out)
        assert site.gets() == ["/p/b/broken.jpg", "/p/list.txt"]
        assert (record["changes"]["retried"], record["changes"]["kept"]) == (1, 5)
        assert record["counts"]["rejected"] == 2
        assert (store / "matrix.csv").stat().st_mtime_ns == made  # of the same features

        site.put("/p/b/broken.jpg", bodies[4], e_tag='"1"')
        site.asked.clear()
        record = json.loads(here("run", url, store, "--json").out)
        assert site.gets() == ["/p/b/broken.jpg", "/p/list.txt"]
        assert record["counts"]["rejected_by_reason"] == {"unreadable": 1}
        assert record["counts"]["embedded"] == 5
        assert len(pd.read_parquet(store / "matrix")) == 5
