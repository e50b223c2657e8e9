"""A machine on which nobody is signed in to AWS, and that has no network."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def sign_out(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Take away whatever signs in to AWS; what is asked for over the network fails at once."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(folder / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
