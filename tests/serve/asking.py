"""What the server says to its page of photos: made smaller and sent by the page's own modules."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_ASK = """async (photos) => {
  const { prepare, send } = await import("./photos.js");
  const told = [];
  for (const photo of photos) {
    const bytes = Uint8Array.from(atob(photo), (letter) => letter.charCodeAt(0));
    const prepared = await prepare(new File([bytes], "photo"));
    if (!prepared.url) throw new Error("it was sent as it was");
    told.push(await send([prepared], () => {}, new AbortController().signal));
  }
  return told;
}"""


def by_page(
    browser: Browser, url: str, photos: Sequence[bytes], at_once: int
) -> Iterator[dict[str, Any]]:
    """Give the answer to each photo, some of them in the page's memory at a time."""
    page = browser.new_page()
    page.goto(url)
    encoded = [base64.b64encode(photo).decode() for photo in photos]
    for at in range(0, len(photos), at_once):
        yield from page.evaluate(_ASK, encoded[at : at + at_once])
    page.close()
