"""The S3 server of the tests refuses what a real one refuses."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import obstore
import psutil
import pytest
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    PreconditionError,
)

from seaweed import S3


def test_writes_are_conditional(s3: S3) -> None:
    store = s3.make_bucket("conditional")
    first = obstore.put(store, "key", b"one", mode="create")
    with pytest.raises(AlreadyExistsError):
        obstore.put(store, "key", b"two", mode="create")
    obstore.put(store, "key", b"three", mode={"e_tag": first["e_tag"]})
    with pytest.raises(PreconditionError):
        obstore.put(store, "key", b"four", mode={"e_tag": first["e_tag"]})
    assert bytes(obstore.get(store, "key").bytes()) == b"three"


def test_each_user_may_do_what_it_may(s3: S3) -> None:
    obstore.put(s3.make_bucket("permissions"), "key", b"!")
    reader, blind, stranger = (
        s3.as_user(name).store("permissions", retry_config={"max_retries": 0})
        for name in ("reader", "blind", "stranger")
    )
    assert len(obstore.list(reader).collect()) == 1
    with pytest.raises(PermissionDeniedError, match="AccessDenied"):
        obstore.put(reader, "other", b"!")
    obstore.put(blind, "other", b"!")
    with pytest.raises(BaseError, match="AccessDenied"):
        obstore.list(blind).collect()
    with pytest.raises(PermissionDeniedError, match="InvalidAccessKeyId"):
        obstore.get(stranger, "key")
    with pytest.raises(FileNotFoundError, match="NoSuchBucket"):
        obstore.put(s3.store("no-such-bucket"), "key", b"!")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_the_server_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    program = (
        "import pathlib, sys, time, seaweed\n"
        "with seaweed.serve(pathlib.Path(sys.argv[1])):\n"
        "    print('up', flush=True); time.sleep(600)\n"
    )
    tests = str(Path(__file__).parent)
    started = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": tests},
        stdout=subprocess.PIPE,
    )
    assert started.stdout is not None
    assert started.stdout.readline() == b"up\n"
    servers = psutil.Process(started.pid).children()
    assert [server.name() for server in servers] == ["weed"]
    started.send_signal(signal.SIGKILL)
    started.wait()
    started.stdout.close()
    until = time.monotonic() + 60
    while time.monotonic() < until and any(map(_runs, servers)):
        time.sleep(0.05)
    assert not any(map(_runs, servers))


def _runs(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


def test_a_bucket_that_is_made_again_is_empty(s3: S3) -> None:
    obstore.put(s3.make_bucket("again"), "folder/key", b"!")
    store = s3.make_bucket("again")
    assert [one for some in store.list() for one in some] == []
