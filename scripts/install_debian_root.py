"""Make the fresh Debian in which the tests of `verger cloud` run what runs on AWS's servers.

    python scripts/install_debian_root.py

It is made by debootstrap (which apt installs, as root) in `build/debian-root`, once: Debian 12,
which has the Python of the servers, and the AWS command line, which their images have. Where it
cannot be made, this says why, and the tests that need it are skipped by name.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent / "build" / "debian-root"
SUITE = "bookworm"
# Version 1 of the command, which is a Python package; images have version 2, with the same words.
AWS = "awscli==1.46.3"
WRAPPER = '#!/bin/sh\nPYTHONPATH=/usr/local/lib/aws exec python3 -m awscli "$@"\n'


class Failed(Exception):
    """A step that did not work; its message says why."""


def main() -> None:
    """Make it, if it is missing and can be made."""
    if ROOT.is_dir():
        return
    try:
        if os.geteuid() != 0:
            raise Failed("only root can make and enter it")
        _debootstrap()
        fresh = ROOT.with_name(f"debian-root.{os.getpid()}")
        try:
            _make(fresh)
            fresh.rename(ROOT)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    except Failed as error:
        print(f"No fresh Debian for the tests of the cloud ({error}): they will be skipped.")


def _debootstrap() -> None:
    if shutil.which("debootstrap"):
        return
    if not shutil.which("apt-get"):
        raise Failed("debootstrap is missing, and apt-get too")
    _run(["apt-get", "update", "-qq"])
    _run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "debootstrap"])


def _make(root: Path) -> None:
    root.parent.mkdir(parents=True, exist_ok=True)
    _run(
        [
            "debootstrap",
            "--variant=minbase",
            "--include=python3,ca-certificates",
            SUITE,
            str(root),
            *_mirror(),
        ]
    )
    library = root / "usr/local/lib/aws"
    _run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
         "--no-compile", "--target", str(library), AWS]
    )  # fmt: skip
    shutil.rmtree(library / "awscli" / "examples", ignore_errors=True)
    wrapper = root / "usr/local/bin/aws"
    wrapper.write_text(WRAPPER)
    wrapper.chmod(0o755)
    for folder in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale"):
        shutil.rmtree(root / folder, ignore_errors=True)


def _mirror() -> list[str]:
    """Name the mirror that this machine's own apt uses, where it has this Debian."""
    line = [
        "apt-get",
        "indextargets",
        "--format",
        "$(CODENAME) $(REPO_URI)",
        "Created-By: Packages",
    ]
    said = subprocess.run(line, capture_output=True, text=True, check=False).stdout
    pairs = [line.split() for line in said.splitlines()]
    return [pair[1] for pair in pairs if len(pair) == 2 and pair[0] == SUITE][:1]


def _run(line: list[str]) -> None:
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(line, env=quiet, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        raise Failed(f"{line[0]}: {said[-1]}")


if __name__ == "__main__":
    main()
