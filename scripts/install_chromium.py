"""Install Debian's Chromium for the browser tests, where that can be done without asking anyone.

    python scripts/install_chromium.py

Does nothing where a Chromium is there already, and says what to do where it cannot be installed:
the browser tests are then skipped, by name.
"""

from __future__ import annotations

import os
import shutil
import subprocess

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def found() -> str | None:
    """Return the path of a Chromium on this machine, or None."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


def main() -> None:
    """Install it by apt, as root, if it is missing."""
    if found():
        return
    if not shutil.which("apt-get") or os.geteuid() != 0:
        print("Chromium is missing: the browser tests will be skipped. On Debian and Ubuntu: "
              "sudo apt-get install chromium")  # fmt: skip
        return
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"],
    ):
        done = subprocess.run(command, env=quiet, capture_output=True, text=True, check=False)
        if done.returncode:
            said = (done.stderr.strip().splitlines() or ["no message"])[-1]
            print(f"Chromium could not be installed ({said}): the browser tests will be skipped.")
            return


if __name__ == "__main__":
    main()
