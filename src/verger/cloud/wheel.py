"""A wheel made from a package that is installed: what pip brought, packed to be installed again.

The format is that of the binary distribution specification of PyPA (once PEP 427): a zip with the
package's files, and a `.dist-info` folder whose RECORD has the SHA-256 of each.
"""

from __future__ import annotations

import base64
import hashlib
import stat
import zipfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from verger.errors import EngineError

_KEPT = ("METADATA", "entry_points.txt")
_OF_EGGS = {"METADATA": "PKG-INFO"}  # the name in `.egg-info`, which a checkout on the path has


def of_installed(
    name: str,
    package: Path,
    folder: Path,
    *,
    wanted: Callable[[str], bool] = lambda _: True,
) -> Path:
    """Write a wheel of an installed pure Python distribution into `folder`; return its path.

    `package` is the folder of its files, of which those are taken whose name within it is `wanted`.
    Raises `EngineError` where the distribution is not installed.
    """
    try:
        distribution = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        raise EngineError(f"{name} is not installed in this Python.") from None
    info = f"{name}-{distribution.version}.dist-info"
    made = folder / f"{name}-{distribution.version}-py3-none-any.whl"
    with zipfile.ZipFile(made, "w") as archive:
        wheel = _Wheel(archive, info)
        for file in sorted(package.rglob("*")):
            within = file.relative_to(package).as_posix()
            if file.is_file() and "__pycache__" not in file.parts and wanted(within):
                mode = 0o755 if file.stat().st_mode & stat.S_IXUSR else 0o644
                wheel.add(f"{package.name}/{within}", file.read_bytes(), mode)
        for entry in _KEPT:
            if text := distribution.read_text(entry) or distribution.read_text(
                _OF_EGGS.get(entry, "")
            ):
                wheel.add(f"{info}/{entry}", text.encode())
        wheel.close()
    return made


class _Wheel:
    """A wheel under way: its entries, and the record of each."""

    def __init__(self, archive: zipfile.ZipFile, info: str) -> None:
        self._archive, self._info = archive, info
        self._record: list[str] = []

    def add(self, entry: str, body: bytes, mode: int = 0o644) -> None:
        self._write(entry, body, mode)
        digest = base64.urlsafe_b64encode(hashlib.sha256(body).digest()).rstrip(b"=").decode()
        self._record.append(f"{entry},sha256={digest},{len(body)}")

    def close(self) -> None:
        """Write what every wheel says of itself, the record last."""
        lines = ("Wheel-Version: 1.0", "Generator: verger", "Root-Is-Purelib: true")
        self.add(f"{self._info}/WHEEL", "\n".join([*lines, "Tag: py3-none-any", ""]).encode())
        self._record.append(f"{self._info}/RECORD,,")
        self._write(f"{self._info}/RECORD", ("\n".join(self._record) + "\n").encode())

    def _write(self, entry: str, body: bytes, mode: int = 0o644) -> None:
        # The date is the same each time, so that the same files make the same wheel.
        header = zipfile.ZipInfo(entry)
        header.external_attr = (stat.S_IFREG | mode) << 16
        packed = entry.endswith((".jar", ".zip"))  # already
        header.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
        self._archive.writestr(header, body)
