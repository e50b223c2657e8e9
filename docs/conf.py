"""Sphinx makes a site of the pages (`make site`), from the repository's root."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from verger import __version__

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "Verger"
version = release = __version__
extensions = ["myst_parser"]
root_doc = "docs/index"
include_patterns = [
    "README*.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/**.md",
    "benchmarks/*.md",
]
myst_heading_anchors = 4  # links name headings as GitHub does
html_theme = "furo"
html_title = "Verger"
html_show_sphinx = html_show_copyright = html_copy_source = False
html_theme_options = {"top_of_page_buttons": []}


def setup(app: Sphinx) -> None:
    """Give the index its navigation."""
    app.connect("source-read", _with_navigation)


def _with_navigation(_app: Sphinx, name: str, source: list[str]) -> None:
    """Append a table of contents for each part of the index, of the pages that it links to."""
    if name != root_doc:
        return
    for part in source[0].split("\n## ")[1:]:
        entries, title = {}, ""
        for text, page in re.findall(r"\[([^\]]+)\]\(([\w./-]+\.md)\)", part):
            title = f"{title} ({text})" if text == "français" else text
            # A title with :// would be taken for an address; without one, it is the page's own.
            entries[page] = page if "://" in title else f"{title} <{page}>"
        caption = part.splitlines()[0]
        listed = "\n".join(entries.values())
        source[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{listed}\n```\n"
