"""Count the lines of src/verger by room, at commits and now.

    python scripts/count_lines.py aeb4257 02e9167     before the rooms, and when they stood
    python scripts/count_lines.py --rooms             what the commits of rooms.txt added and took

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


def by_rooms_alone() -> tuple[int, int]:
    """Return the lines that the commits of rooms.txt added, and those that they took away."""
    listed = (REPOSITORY / "scripts" / "rooms.txt").read_text(encoding="utf-8").splitlines()
    commits = [line.split()[0] for line in listed if not line.startswith("#")]
    shown = git("show", "--numstat", "--format=", *commits, "--", "src/verger/*.py")
    rows = [line.split("\t") for line in shown.splitlines() if line]
    return sum(int(row[0]) for row in rows), sum(int(row[1]) for row in rows)


def main() -> None:
    """Print a table for Markdown, or a line."""
    if sys.argv[1:] == ["--rooms"]:
        more, fewer = by_rooms_alone()
        print(f"{more:,} added, {fewer:,} taken away: {more - fewer:+,}")
        return
    commits = [*sys.argv[1:], "HEAD"]
    counted = [lines(commit) for commit in commits]
    print(f"| room | {' | '.join(commits)} |\n| --- |{' ---: |' * len(commits)}")
    for room in sorted(set().union(*counted)):
        print(f"| `{room}` | {' | '.join(f'{one[room]:,}' for one in counted)} |")
    print(f"| all | {' | '.join(f'{one.total():,}' for one in counted)} |")


if __name__ == "__main__":
    main()
