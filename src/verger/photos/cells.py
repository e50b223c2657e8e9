"""Text in CSV for spreadsheets, which take a cell that begins with `=` or the like for a formula.

Such a text gets an apostrophe before it, by which a spreadsheet knows a text; and so does one that
has apostrophes before such a beginning, so that reading gives back what was written. It is
in photos/, since tables of labels are read there; what writes such cells imports it.
"""

from __future__ import annotations

import re

FORMULA = "^('*[=+@\\t\\r\\n\uff0b\uff0d\uff1d\uff20-])"  # the full-width forms count too
QUOTED = r"'\1"  # what replaces it, as re and RE2 have it

_QUOTED = re.compile(FORMULA.replace("^", "^'", 1))


def unquoted(cell: str) -> str:
    """Read the text of a cell as it was before it was quoted for a spreadsheet."""
    return _QUOTED.sub(r"\1", cell)
