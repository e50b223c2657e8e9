"""`verger rejects`: the photos that a STORE could not use. No logic."""

from __future__ import annotations

import json

import click

from verger.photos.reasons import Reason
from verger.progress import show, tell
from verger.texts.command import localized, say


@click.command("rejects")
@click.argument("store")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON, on stdout.")
def rejects_command(store: str, as_json: bool) -> None:
    """List the photos that could not be used, and why.

    One line per reject: the reason, the path of the photo, and details. Then come the counts, and
    what each reason means. Nothing in STORE is changed.
    """
    from verger.store.layout import REJECTS
    from verger.store.rejected import rejected
    from verger.store.store import Store

    of = Store(store)
    of.whole_run([REJECTS])
    found = list(rejected(of))
    if as_json:
        show(json.dumps([one._asdict() for one in found], indent=2))
        return
    if not found:
        tell("No rejects.")
        return
    width = max(len(one.reason) for one in found)
    for one in found:
        detail = f"{say(': ')}{say(one.detail)}" if one.detail else ""
        tell(f"{one.reason:<{width}}  {one.path}{detail}", as_it_is=True)
    meanings = {reason.value: reason.meaning for reason in Reason}
    tell("")
    for reason in sorted({one.reason for one in found}):
        count = sum(one.reason == reason for one in found)
        meaning = say(meanings.get(reason, ""))
        tell(f"{localized(f'{count:,}')} {reason}. {meaning}".rstrip(), as_it_is=True)
