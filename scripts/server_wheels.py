"""Write what a server is sent.

python scripts/server_wheels.py [--check]

That is all that Verger needs, at any remove, in the versions of constraints.txt, for the Python of
the server on Linux. It is read where the other side's Python is another than this one, so that no
resolver has to guess for it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from verger.cloud.machine import ARCHITECTURES, PYTHON

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "src" / "verger" / "cloud"
_HEAD = """\
# {what}, for Python {python} on Linux, exactly.
# Written by scripts/server_wheels.py from constraints.txt: `make docs` writes it again.
"""


def made() -> dict[str, str]:
    """Return the files, by name."""
    run = _needed("verger", set())
    notebook = _needed("verger", set(), "lab") - run
    return {
        "server.txt": _listed("What a server is sent besides Verger: all that it needs", run),
        "lab.txt": _listed("What a server for a notebook is sent besides that", notebook),
    }


def _listed(what: str, names: set[str]) -> str:
    for name in names:  # the server may have any release of its Python
        wanted = SpecifierSet(str(metadata.metadata(name).json.get("requires_python", "")))
        if f"{PYTHON}.0" not in wanted:
            raise SystemExit(f"{name} wants Python {wanted}: pin an older one.")
    pins = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        name, _, version = line.partition("==")
        pins[canonicalize_name(name)] = version.partition(" ")[0]
    lines = [f"{name}=={pins[canonicalize_name(name)]}" for name in sorted(names - {"verger"})]
    return _HEAD.format(what=what, python=PYTHON) + "\n".join(lines) + "\n"


def _needed(name: str, seen: set[str], extra: str = "") -> set[str]:
    """Return the names of a distribution and of all that it needs on a server."""
    seen.add(canonicalize_name(name))
    for text in metadata.requires(name) or []:
        one = Requirement(text)
        if one.marker is None or any(one.marker.evaluate(each) for each in _servers(extra)):
            new = canonicalize_name(one.name) not in seen
            for wanted in (*(("",) if new else ()), *one.extras):
                _needed(one.name, seen, wanted)
    return seen


def _servers(extra: str) -> list[dict[str, str]]:
    return [
        {
            "extra": extra,
            "implementation_name": "cpython",
            "os_name": "posix",
            "platform_machine": machine,
            "platform_python_implementation": "CPython",
            "platform_system": "Linux",
            "python_full_version": f"{PYTHON}.0",
            "python_version": PYTHON,
            "sys_platform": "linux",
        }
        for machine in ARCHITECTURES.values()
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files, or check them; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if stale")
    options = parser.parse_args(arguments)
    stale = False
    for name, text in made().items():
        file = FOLDER / name
        if not options.check:
            file.write_text(text, encoding="utf-8")
        elif not file.is_file() or file.read_text(encoding="utf-8") != text:
            print(f"{file} is stale: run `make docs`.", file=sys.stderr)
            stale = True
    return int(stale)


if __name__ == "__main__":
    sys.exit(main())
