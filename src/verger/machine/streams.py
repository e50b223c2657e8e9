"""Standard streams that are closed, or that have no letters for what is written."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper


def open_closed_streams() -> None:
    """Make standard streams take whatever is written.

    A closed one (`>&-`, as daemons do) is opened to /dev/null. Else it could not be flushed, and
    the next file to be opened would take its number, and get what programs started here print.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
            os.set_inheritable(nowhere, True)
            setattr(sys, name, os.fdopen(nowhere, mode, encoding="utf-8"))
        elif mode == "w" and isinstance(stream := getattr(sys, name), TextIOWrapper):
            # What a terminal has no letters for is no reason to end. A notebook's streams have all.
            stream.reconfigure(errors="backslashreplace")
