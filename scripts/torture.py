"""`python scripts/torture.py FOLDER`: bad, odd and hostile photos, with a table of right answers.

`FOLDER/expected.csv` says of each file what `verger run FOLDER STORE --max-rejects 1` makes of it:
embedded (with the pixels of which other file, within how many levels), rejected (for which reason),
or left out. All of it is rendered here, some 27 MB; one file is 12 GB long and holds next to
nothing, so the disk must know sparse files.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # the tests make the same files

from makers.torture import expected, make


def main() -> int:
    """Make the folder that the command line names."""
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    folder = Path(sys.argv[1])
    if folder.exists():
        print(f"{folder} already exists: give a new name.", file=sys.stderr)
        return 2
    make(folder)
    print(f"{len(expected(folder))} files, and what becomes of each: {folder / 'expected.csv'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
