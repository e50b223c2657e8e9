"""Record what a run asks of S3: PYTHONPATH=tests python tests/cloud/record_calls.py

Three real runs against a real S3 server, through a proxy that writes down each request: a first
one, one that finds photos changed and gone, and one that is made anew. Of names that change from
run to run, one stands for all. To be made again when a run reads or writes otherwise.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from contextlib import AbstractContextManager
from pathlib import Path

import obstore

from faults import faulty
from seaweed import S3, serve
from verger.demo.render import render_orchard

HERE = Path(__file__).parent
STORE = "s3://results/fruits/store"


def main() -> None:
    """Run, and write what was asked."""
    with tempfile.TemporaryDirectory() as folder, _served(folder) as server:
        photos = Path(folder) / "photos"
        render_orchard(photos, varieties=3, views=4, test_views=2)
        files = sorted(photos.rglob("*.jpg"))
        orchard = server.make_bucket("orchard")
        server.make_bucket("results")
        for file in files:
            obstore.put(orchard, f"photos/{file.relative_to(photos).as_posix()}", file)
        with faulty(server.endpoint) as proxy:
            there = server.behind(proxy.endpoint)
            _run(there)
            obstore.put(orchard, f"photos/{files[0].relative_to(photos).as_posix()}", files[1])
            obstore.delete(orchard, f"photos/{files[2].relative_to(photos).as_posix()}")
            _run(there)
            _run(there, "--overwrite")
            asked = sorted({_general(request) for request in proxy.requests()})
    (HERE / "calls.json").write_text(json.dumps(asked, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"{len(asked)} kinds of requests\n")


def _served(folder: str) -> AbstractContextManager[S3]:
    (Path(folder) / "s3").mkdir()
    return serve(Path(folder) / "s3")


def _run(server: S3, *options: str) -> None:
    command = ["run", "s3://orchard/photos", STORE, "--components", "3", "--quiet", *options]
    subprocess.run(
        [sys.executable, "-m", "verger", *command],
        check=True,
        env=os.environ | server.environment(),
    )


def _general(request: str) -> str:
    """Let one name stand for all that are made anew each time."""
    request = re.sub(r"(continuation-token|uploadId|upload-id)=[^& ]*", r"\1=X", request)
    request = re.sub(r"partNumber=\d+", "partNumber=1", request)
    request = re.sub(r"(orchard/photos)/.*\.jpg", r"\1/photo.jpg", request)
    request = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID", request)
    request = re.sub(r"[0-9a-f]{12,64}", "HEX", request)
    request = re.sub(r"_\d{17,}", "_TIME", request)
    return re.sub(r"\d{3,}", "N", request)


if __name__ == "__main__":
    main()
