"""What every answer of the API must be."""

from __future__ import annotations

from typing import Any

import httpx


def problem(answer: httpx.Response, status: int, word: str) -> dict[str, Any]:
    """Check that an answer is the problem that it should be, and return it."""
    told = any_problem(answer)
    assert (answer.status_code, told["type"]) == (status, f"urn:verger:problem:{word}"), told
    return told


def any_problem(answer: httpx.Response) -> dict[str, Any]:
    """Check that an answer is a well-formed problem (RFC 9457), and return it."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    told = answer.json()
    assert told["status"] == answer.status_code
    assert told["type"].startswith("urn:verger:problem:")
    assert told["title"]
    assert told["detail"]
    assert told["message"]
    assert "{" not in told["message"]
    assert "Traceback" not in answer.text
    if answer.status_code in (429, 503):
        assert 1 <= int(answer.headers["retry-after"]) <= 60
    return dict(told)


def any_answer(answer: httpx.Response) -> None:
    """Check that an answer to an upload is an identification or a well-formed problem."""
    if answer.status_code == 200:
        told = answer.json()
        verdicts = ("variety", "group", "ambiguous", "unfamiliar", "unknown")
        assert told["verdict"] in verdicts
        assert (told["confidence"] > 0) == (told["verdict"] != "unknown")
        assert told["labels"]
        assert told["neighbours"]
    else:
        assert answer.status_code in (400, 408, 413, 415, 422, 429, 503), answer.text
        any_problem(answer)
