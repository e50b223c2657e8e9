"""The language in which a STORE shows itself to people: report, slides, notebook."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from verger.errors import StoreError
from verger.store.layout import PAGE, REPORT
from verger.store.store import Store
from verger.texts import LANGUAGES

_LANGUAGE = re.compile(rb'<html lang="([a-z]+)">')


def language_of(store: Store) -> str:
    """Return the language that was asked for last: that of the report that is there.

    Where there is none, it is that of the run; English where nobody asked for one.
    """
    try:
        beginning = next(store.place.pieces(f"{REPORT}/{PAGE}"), b"")[:200]  # of some MB
        found = _LANGUAGE.search(beginning)
    except OSError:
        found = None
    said = found[1].decode() if found else str(_settings_of(store).get("language"))
    return said if said in LANGUAGES else LANGUAGES[0]


def _settings_of(store: Store) -> Mapping[str, Any]:
    """Return the settings of the run; none of a damaged record, which others will tell."""
    try:
        record = store.record_to_grow() or {}
    except StoreError:
        return {}
    return record.get("settings") or {}
