"""The API does what its OpenAPI description says (schemathesis makes the requests)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Server


def test_the_description_holds(server: Server, tmp_path: Path) -> None:
    command = shutil.which("schemathesis", path=str(Path(sys.executable).parent))
    if command is None:
        pytest.skip("schemathesis is not installed")
    done = subprocess.run(
        [
            command, "run", f"{server.url}/openapi.json",
            "--checks", "not_a_server_error,status_code_conformance,content_type_conformance,"
            "response_schema_conformance,negative_data_rejection,unsupported_method",
            "--phases", "examples,coverage,fuzzing", "--max-examples", "25", "--seed", "6",
            "--workers", "1", "--no-color", "--continue-on-failure",
        ],
        capture_output=True,
        text=True,
        timeout=240,
        cwd=tmp_path,
        env={**os.environ, "NO_PROXY": "*", "TMPDIR": str(tmp_path)},
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def test_every_operation_tells_its_problems(server: Server) -> None:
    described = server.get("/openapi.json").json()
    identify = described["paths"]["/api/v1/identify"]["post"]
    for status in ("400", "408", "413", "415", "422", "429", "500", "503"):
        (kind,) = identify["responses"][status]["content"]
        assert kind == "application/problem+json"
    photos = identify["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"][
        "photos"
    ]
    assert (photos["minItems"], photos["maxItems"]) == (1, 5)
    assert "Problem" in described["components"]["schemas"]
