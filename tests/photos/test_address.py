"""Paths and URLs taken apart: one parser for photos and for places."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from verger.photos.address import Address, without_query

PLACES = ("://", *(f"{scheme}://" for scheme in ("file", "s3", "s3a", "gs", "az", "http")))
URLLIB = ("storage/url_list.py", "storage/http.py", "machine/extras.py")
SOURCE = Path(__file__).resolve().parents[2] / "src" / "verger"


@pytest.mark.parametrize(
    ("where", "parts", "name"),
    [
        ("photos/apple", ("file", "", "photos/apple", ""), "apple"),
        (Path("/photos/a?b#c"), ("file", "", "/photos/a?b#c", ""), "a?b#c"),
        ("file:///photos", ("file", "", "/photos", ""), "photos"),
        ("file://photos", ("file", "", "/photos", ""), "photos"),
        ("s3://bucket", ("s3", "bucket", "", ""), "bucket"),
        ("s3a://bucket/a/b?c", ("s3", "bucket", "a/b?c", ""), "b?c"),
        ("gs://bucket//a/", ("gs", "bucket", "/a/", ""), "a"),
        ("https://host:80/list.csv?key=s3://x/y", ("https", "host:80", "list.csv", "key=s3://x/y"),
         "list.csv"),
        ("ftp://host/a?b", ("ftp", "host", "a?b", ""), "a?b"),
    ],
)  # fmt: skip
def test_what_is_written_is_taken_apart(
    where: str | Path, parts: tuple[str, ...], name: str
) -> None:
    at = Address.of(where)
    assert (at, at.name) == (parts, name)
    assert at.file == (Path(at.path) if at.scheme == "file" else None)


def test_a_query_is_left_out() -> None:
    assert without_query("https://host/a.jpg?signature=1?2") == "https://host/a.jpg"


def test_nobody_else_takes_urls_apart() -> None:
    """But urllib: it resolves links, says what a proxy is for, and reads what pip noted."""
    takes = ("partition", "rpartition", "split", "removeprefix", "startswith")
    found = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Call(func=ast.Attribute(attr=how), args=[what]) if how in takes:
                    said = {one.value for one in ast.walk(what) if isinstance(one, ast.Constant)}
                    if said & {"?", *PLACES}:
                        found.add(path.relative_to(SOURCE).as_posix())
                case ast.ImportFrom(module="urllib.parse", names=names):
                    if {one.name for one in names} & {"urlsplit", "urlparse"}:
                        found.add(path.relative_to(SOURCE).as_posix())
    assert found == {*URLLIB, "photos/address.py"}
