"""Answers of AWS that moto would not give."""

from __future__ import annotations

from typing import Any

from verger.cloud.life import Life


def refuse(
    life: Life, service: str, call: str, code: str, message: str, times: int = 1_000
) -> None:
    """Have AWS answer a call with an error, so many times."""
    left = [times]

    def answer(**_: object) -> tuple[Any, Any] | None:
        if not left[0]:
            return None
        left[0] -= 1
        http = type("Http", (), {"status_code": 400})()
        return http, {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {}}

    life.aws.client(service).meta.events.register_first(f"before-call.*.{call}", answer)
