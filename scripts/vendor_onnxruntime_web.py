"""Take ONNX Runtime Web out of its npm package, into the package of Verger.

    python scripts/vendor_onnxruntime_web.py 1.30.0

Needs npm, and ONNX Runtime for Python, whose licence and notices are those of the same sources.
What is written is the same on any machine; `VERSION.json` holds the SHA-256 of each file.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "onnxruntime-web"
SCRIPT, BINARY = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"
TO = Path(__file__).parent.parent / "src" / "verger" / "app" / PACKAGE


def main(version: str) -> None:
    """Write the script, the packed WebAssembly, licence, notices and the version."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", f"{PACKAGE}@{version}", "--silent", "--pack-destination", folder]
        subprocess.run(command, check=True)
        (archive,) = Path(folder).glob("*.tgz")
        with tarfile.open(archive) as files:
            script, binary = (_file(files, f"package/dist/{name}") for name in (SCRIPT, BINARY))
    spec = importlib.util.find_spec("onnxruntime")
    if spec is None or spec.origin is None:
        sys.exit("ONNX Runtime for Python is not installed.")
    python = Path(spec.origin).parent
    files_there = {
        # Its map of the sources does not come along.
        SCRIPT: re.sub(rb"\n//# sourceMappingURL=.*\s*$", b"\n", script),
        f"{BINARY}.gz": gzip.compress(binary, 9, mtime=0),
        "LICENSE": (python / "LICENSE").read_bytes(),
        "NOTICE": (python / "ThirdPartyNotices.txt").read_bytes(),
    }
    TO.mkdir(exist_ok=True)
    for name, body in files_there.items():
        (TO / name).write_bytes(body)
    about = {
        "package": PACKAGE,
        "version": version,
        "license": "MIT",
        "sha256": {name: hashlib.sha256(body).hexdigest() for name, body in files_there.items()},
    }
    (TO / "VERSION.json").write_text(json.dumps(about, indent=2) + "\n")


def _file(files: tarfile.TarFile, name: str) -> bytes:
    found = files.extractfile(name)
    if found is None:
        sys.exit(f"{name} is not in the package.")
    return found.read()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
