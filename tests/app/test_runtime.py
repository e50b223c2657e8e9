"""ONNX Runtime Web is what its version says."""

from __future__ import annotations

import gzip
import hashlib
import json
from importlib import resources

from verger.app import runtime


def test_the_files_are_those_that_were_taken_from_the_package() -> None:
    folder = resources.files("verger.app") / "onnxruntime-web"
    about = json.loads((folder / "VERSION.json").read_text("utf-8"))
    found = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in about["sha256"]
    }
    assert found == about["sha256"]
    assert f"ONNX Runtime Web v{about['version']}".encode() in runtime.script()
    assert gzip.decompress(runtime.binary())[:4] == b"\0asm"
    assert about["license"] == "MIT"
    assert "MIT License" in runtime.licences()
