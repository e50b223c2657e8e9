"""The language in which a STORE shows itself to people: report, slides, notebook."""

from __future__ import annotations

import re

from verger.store.layout import PAGE, REPORT
from verger.store.store import Store
from verger.texts import LANGUAGES

_LANGUAGE = re.compile(rb'<html lang="([a-z]+)">')


def language_of(store: Store) -> str:
    """Return the language that was asked for last: that of the report which is there.

    Where there is none, it is that of the run; English where nobody asked for one.
    """
    try:
        beginning = next(store.place.pieces(f"{REPORT}/{PAGE}"), b"")[:200]  # of some MB
        found = _LANGUAGE.search(beginning)
    except OSError:
        found = None
    if found:
        said = found[1].decode()
    else:
        record = store.record_to_grow() or {}
        said = str(record.get("settings", {}).get("language"))
    return said if said in LANGUAGES else LANGUAGES[0]
