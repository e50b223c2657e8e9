"""Libraries that not every installation has: of which extra they are, and how they are added.

What an extra brings is written once, in pyproject.toml; it is known here from the metadata that an
installation keeps.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from urllib.parse import unquote, urlsplit

from verger.errors import UsageError

_OF_AN_EXTRA = re.compile(r"([\w.-]+).*;.*\bextra == [\"']([\w-]+)[\"']")


@cache
def need(extra: str, what: str, *names: str) -> None:
    """Raise `UsageError` where a library that `what` needs is not installed; say how to add it.

    extra: the extra whose libraries they are; empty for Verger itself, installed without Spark
    names: the libraries, as pip names them, where they are not all that the extra brings

    To be asked before work begins, and before what imports them is imported.
    """
    if missing := absent(*(names or brought_by(extra))):
        names_of = ", ".join(missing)
        lacking = f"{what} needs {names_of}, which is not installed."
        if len(missing) > 1:
            lacking = f"{what} needs {names_of}, which are not installed."
        raise UsageError(lacking, hint=f"Install: {install_line(extra)}")


def absent(*names: str) -> list[str]:
    """Return those libraries, as pip names them, that are not installed."""
    return [name for name in names if not _is_installed(name)]


def brought_by(extra: str) -> list[str]:
    """Return the names of the libraries that an extra brings, without what they need in turn."""
    try:
        found = map(_OF_AN_EXTRA.match, metadata.requires("verger") or [])
    except metadata.PackageNotFoundError:  # run from its sources, which nobody installed
        return []
    return [one[1] for one in found if one and one[2] == extra]


def install_line(extra: str) -> str:
    """Return the line that adds an extra to this Python, from where Verger itself came from."""
    python = shlex.quote(sys.executable)
    pip = f"{python} -m pip install" if find_spec("pip") else f"uv pip install --python {python}"
    return f"{pip} {_verger(f'[{extra}]' if extra else '')}"


def _verger(extra: str) -> str:
    """Return what pip is to install: the folder of the sources, a wheel, or a release."""
    try:
        distribution = metadata.distribution("verger")
    except metadata.PackageNotFoundError:
        return shlex.quote(f"verger{extra}")
    origin = json.loads(distribution.read_text("direct_url.json") or "{}")
    if "url" not in origin:
        return shlex.quote(f"verger{extra}=={distribution.version}")
    if "dir_info" not in origin:
        return shlex.quote(f"verger{extra} @ {origin['url']}")
    editable = "-e " if origin["dir_info"].get("editable") else ""
    return editable + shlex.quote(unquote(urlsplit(origin["url"]).path) + extra)


def _is_installed(name: str) -> bool:
    """Say whether pip knows a library, or Python finds it: a cluster's own Spark is on its path."""
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return find_spec(name.replace("-", "_")) is not None
    return True
