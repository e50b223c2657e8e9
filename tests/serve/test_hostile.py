"""Bytes that nobody should send: every answer is well formed, and the server stays up."""

from __future__ import annotations

import io
import random

import httpx
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from PIL import Image

from .conftest import Photo, Server
from .wellformed import any_answer

_KINDS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF", "MPO")
_EXAMPLES = 25


@pytest.fixture(scope="module")
def pictures(photo: Photo) -> dict[str, bytes]:
    """The same photo in every format that is read."""
    import pillow_heif

    pillow_heif.register_heif_opener()
    picture = Image.open(io.BytesIO(photo(size=100)))
    made = {}
    for kind in _KINDS:
        out = io.BytesIO()
        picture.save(out, kind)
        made[kind] = out.getvalue()
    return made


@pytest.mark.parametrize("kind", _KINDS)
def test_photos_damaged_in_any_way(server: Server, pictures: dict[str, bytes], kind: str) -> None:
    whole, chance = pictures[kind], random.Random(kind)  # noqa: S311
    for _ in range(_EXAMPLES):
        data = bytearray(whole)
        for _ in range(chance.choice((1, 3, 30))):
            at = chance.randrange(len(data))
            data[at] = chance.randrange(256)
        if chance.random() < 0.3:
            at = chance.randrange(len(data))
            del data[at : at + chance.randrange(1, 200)]
        if chance.random() < 0.2:
            del data[chance.randrange(1, len(data)) :]
        any_answer(server.identify(bytes(data)))


@seed(6)
@settings(max_examples=80, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(
    body=st.one_of(
        st.binary(max_size=400),
        st.lists(
            st.sampled_from(
                [b"--b", b"--b--", b"\r\n", b"\r\n\r\n", b"\n", b"Content-Disposition", b": ",
                 b"form-data", b"; ", b'name="photos"', b"name=photos", b'filename="', b"\x00",
                 b"Content-Disposition: form-data; name=\"photos\"\r\n\r\n", b"GIF89a", b"x" * 99]
            ),
            max_size=30,
        ).map(b"".join),
    ),
    boundary=st.sampled_from(["b", '"b"', "b; charset=x", "é", '"', "", "b" * 70]),
)  # fmt: skip
def test_any_multipart(server: Server, body: bytes, boundary: str) -> None:
    content_type = f"multipart/form-data; boundary={boundary}".encode()
    any_answer(
        httpx.post(
            f"{server.url}/api/v1/identify",
            content=body,
            headers={b"Content-Type": content_type},
            timeout=60,
            trust_env=False,
        )
    )


@seed(7)
@settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(path=st.text(max_size=60))
def test_any_label(server: Server, path: str) -> None:
    from urllib.parse import quote

    address = "/api/v1/labels/" + quote(path.encode("utf-8", "surrogatepass"), safe="")
    assert server.get(address).status_code in (200, 404)
