"""ONNX Runtime Web as it lies in the package: its script, its WebAssembly, its licence."""

from __future__ import annotations

from importlib import resources

_SCRIPT, _BINARY = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm.gz"
_LICENCES = ("LICENSE", "NOTICE")


def script() -> bytes:
    """Return the module that the app imports, with the glue of the WebAssembly in it."""
    return _read(_SCRIPT)


def binary() -> bytes:
    """Return the WebAssembly, packed by gzip: SIMD, and threads where a page may have them."""
    return _read(_BINARY)


def licences() -> str:
    """Return under what terms it may be passed on, and what it is made of."""
    return "\n\n".join(_read(name).decode() for name in _LICENCES)


def _read(name: str) -> bytes:
    return (resources.files("verger.app") / "onnxruntime-web" / name).read_bytes()
