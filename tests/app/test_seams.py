"""The app's scripts stand in for some of the page's: what it imports of them is there."""

from __future__ import annotations

import re
from importlib import resources

IMPORT = re.compile(r'import (?:\* as \w+|\{([^}]*)\}|\w+) from "\./([\w-]+\.js)"')
EXPORT = re.compile(r"^export (?:async )?(?:function|const|let|class) (\w+)", re.MULTILINE)


def scripts(room: str) -> dict[str, str]:
    folder = resources.files(room) / "page"
    return {f.name: f.read_text("utf-8") for f in folder.iterdir() if f.name.endswith(".js")}


def test_what_scripts_import_of_each_other_is_exported() -> None:
    """Of the page with the app's scripts in their places."""
    whole = scripts("verger.serve") | scripts("verger.app")
    lacking = [
        (importer, name, imported)
        for importer, text in whole.items()
        for names, imported in IMPORT.findall(text)
        if imported in whole
        for name in filter(None, (part.split(" as ")[0].strip() for part in names.split(",")))
        if name not in EXPORT.findall(whole[imported])
    ]
    assert lacking == []
    assert IMPORT.search(whole["identify.js"])
