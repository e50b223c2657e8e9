"""What the app's engine sees in photos, and says of them."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from playwright.sync_api import Page

# As its own modules do.
_LOOK = """async (photos) => {
  const { ask } = await import("./engine.js");
  const out = [];
  for (const photo of photos) {
    const bytes = Uint8Array.from(atob(photo), (letter) => letter.charCodeAt(0));
    const features = await ask("look", { file: new Blob([bytes]) });
    out.push([Array.from(features), await ask("name", { rows: [features] })]);
  }
  return out;
}"""


def looked(page: Page, *photos: bytes) -> list[tuple[np.ndarray[Any, Any], dict[str, Any]]]:
    """Return the app's features and answer for each photo."""
    sent = [base64.b64encode(photo).decode() for photo in photos]
    return [(np.array(row, np.float32), said) for row, said in page.evaluate(_LOOK, sent)]
