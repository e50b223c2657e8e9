"""Count the lines of src/verger by room, now and at a commit.

    python scripts/count_lines.py aeb4257      before the rooms

Python alone, blank lines and comments too. A module that has moved since is counted in the room
where it is now; what is gone from the code has a row of its own.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

from verger._moved import MODULES

REPOSITORY = Path(__file__).resolve().parent.parent
# Whole modules that went without an heir.
_GONE = {"hadoop", "spark.hadoop"}


def git(*arguments: str) -> str:
    """Return what git prints."""
    command = ["git", "-C", str(REPOSITORY), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def room_of(path: str) -> str:
    """Return the room of a file below src/verger."""
    module = path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
    if module in _GONE:
        return "(gone)"
    return MODULES.get(module, module).split()[0].partition(".")[0]


def lines(commit: str) -> Counter[str]:
    """Count lines by room, as of a commit."""
    counted: Counter[str] = Counter()
    for name in git("ls-tree", "-r", "--name-only", commit, "src/verger/").splitlines():
        if name.endswith(".py"):
            text = git("show", f"{commit}:{name}")
            counted[room_of(name.removeprefix("src/verger/"))] += text.count("\n")
    return counted


def main() -> None:
    """Print a table for Markdown."""
    before, after = lines(sys.argv[1]), lines("HEAD")
    print("| room | before | now |\n| --- | ---: | ---: |")
    for room in sorted(before | after):
        print(f"| `{room}` | {before[room]:,} | {after[room]:,} |")
    print(f"| all | {before.total():,} | {after.total():,} |")


if __name__ == "__main__":
    main()
