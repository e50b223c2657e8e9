"""`python -m verger`."""

import os
import sys

# `python -m` looks into the current folder first, where a random.py is no module of ours. No other
# module is imported before that is undone, and `os` is there already.
_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
if not sys.flags.safe_path and sys.path[0] == os.getcwd() != _HERE:  # noqa: PTH109
    del sys.path[0]

from verger.cli.main import main  # noqa: E402

main()
