"""A real S3 server for tests: SeaweedFS, on free ports of the loopback, with its users.

It ends with the process that started it, however that one ends.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import os
import secrets
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import obstore
from obstore.store import S3Store

REGION = "eu-west-3"
_PATIENCE = 60  # seconds
_TRIES = 3
_PORTS = (
    "-master.port", "-master.port.grpc", "-volume.port", "-volume.port.grpc", "-filer.port",
    "-filer.port.grpc", "-s3.port", "-s3.port.grpc", "-s3.port.iceberg", "-s3.port.lance",
)  # fmt: skip
# A bucket takes seven volumes otherwise, and some buckets would take all there are.
_FEW_VOLUMES = {"WEED_MASTER_VOLUME_GROWTH_COPY_1": "1"}
# What each user may do. `reader` may write nothing; `blind` may read and write, but not list.
# `anonymous` is who does not sign: two buckets are open to all.
_USERS = {
    "admin": ["Admin"],
    "reader": ["Read", "List"],
    "blind": ["Read", "Write"],
    "anonymous": ["Read:public", "List:public", "Read:commons", "Write:commons", "List:commons"],
}


@dataclass(frozen=True)
class Keys:
    """What a user of the server signs with."""

    access_key: str
    secret_key: str = field(repr=False)


@dataclass(frozen=True)
class S3:
    """The server as one of its users sees it."""

    endpoint: str
    keys: Keys
    users: dict[str, Keys]
    region: str = REGION

    def environment(self) -> dict[str, str]:
        """The variables that a program needs to be this user here."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": self.keys.access_key,
            "AWS_SECRET_ACCESS_KEY": self.keys.secret_key,
            "AWS_REGION": self.region,
        }

    def as_user(self, name: str) -> S3:
        """The same server for another user: `admin`, `reader`, `blind`, or `stranger`."""
        if name == "stranger":
            return replace(self, keys=Keys("A" + "0" * 19, "wrong"))
        return replace(self, keys=self.users[name])

    def behind(self, endpoint: str) -> S3:
        """The same server by way of a proxy."""
        return replace(self, endpoint=endpoint)

    def store(self, bucket: str, **options: Any) -> S3Store:
        """Open a bucket; `options` are those of obstore, such as `retry_config`."""
        options = {"client_options": {"allow_http": True, "timeout": "60s"}} | options
        return S3Store(
            bucket,
            endpoint=self.endpoint,
            region=self.region,
            access_key_id=self.keys.access_key,
            secret_access_key=self.keys.secret_key,
            virtual_hosted_style_request=False,
            **options,
        )

    def make_bucket(self, name: str) -> S3Store:
        """Make a bucket, and open it; one that another file's tests have made is emptied."""
        try:
            self.request("PUT", f"/{name}")
        except RuntimeError as error:
            if "BucketAlreadyOwnedByYou" not in str(error):
                raise
            store = self.store(name)
            for some in store.list():
                obstore.delete(store, [one["path"] for one in some])
        return self.store(name)

    def put_as_is(self, bucket: str, key: str, body: bytes = b"") -> None:
        """Put an object under any key, also one that obstore refuses: `a//b`, `d/`, `a/../b`."""
        self.request("PUT", f"/{bucket}/{key}", body)

    def request(self, method: str, path: str, body: bytes = b"") -> bytes:
        """Send one request, signed (AWS Signature Version 4); return what comes back.

        Raises `RuntimeError` where the server refuses.
        """
        address = urlsplit(self.endpoint)
        path = quote(path, safe="/-_.~")
        now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        scope = f"{now[:8]}/{self.region}/s3/aws4_request"
        digest = hashlib.sha256(body).hexdigest()
        headers = {"host": address.netloc, "x-amz-content-sha256": digest, "x-amz-date": now}
        names = ";".join(headers)
        lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
        canonical = f"{method}\n{path}\n\n{lines}\n{names}\n{digest}"
        hashed = hashlib.sha256(canonical.encode()).hexdigest()
        key = f"AWS4{self.keys.secret_key}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashed}"
        headers["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.keys.access_key}/{scope}, "
            f"SignedHeaders={names}, Signature={hmac.digest(key, text.encode(), 'sha256').hex()}"
        )
        connection = http.client.HTTPConnection(address.netloc, timeout=30)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            came = answer.read()
        finally:
            connection.close()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {came[:300]!r}")
        return came


@contextmanager
def serve(folder: Path) -> Iterator[S3]:
    """Start the server with its data in `folder`, wait until it answers, and end it at last."""
    users = {name: Keys(_access_key(), secrets.token_hex(20)) for name in _USERS}
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": [_identity(n, users[n]) for n in users]}))
    (folder / "data").mkdir()
    for tries_left in reversed(range(_TRIES)):
        ports = dict(zip(_PORTS, _free_ports(len(_PORTS)), strict=True))
        process = _start(folder, config, ports)
        server = S3(f"http://127.0.0.1:{ports['-s3.port']}", users["admin"], users)
        try:
            _wait(server, process, folder / "server.log")
        except RuntimeError as error:  # another process took a port that had been free
            process.kill()
            process.wait()
            if not tries_left or "address already in use" not in str(error):
                raise
        else:
            break
    try:
        yield server
    finally:
        process.kill()  # nothing in it is worth keeping
        process.wait()


def _start(folder: Path, config: Path, ports: dict[str, int]) -> subprocess.Popen[bytes]:
    data = folder / "data"
    with (folder / "server.log").open("wb") as log:
        return subprocess.Popen(
            [
                *with_parent(), str(Path(sysconfig.get_path("scripts")) / "weed"), "server",
                "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={data}", "-filer", "-s3",
                f"-s3.config={config}", "-s3.iam=false", "-s3.autoCreateBucket=false",
                "-master.volumeSizeLimitMB=64", "-volume.max=500",
                f"-filer.localSocket={folder / 'f.sock'}", f"-s3.localSocket={folder / 's.sock'}",
                *(f"{name}={port}" for name, port in ports.items()),
            ],
            stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=folder,
            env=os.environ | _FEW_VOLUMES,
        )  # fmt: skip


def _wait(server: S3, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return when a bucket can be made and written: the gateway is up before the volumes are."""
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            store = server.make_bucket("ready")
            obstore.put(store, "ready", b"!" * 100_000)
        except Exception as error:
            if process.poll() is not None or time.monotonic() > until:
                tail = log.read_text(errors="replace")[-5000:]
                raise RuntimeError(f"SeaweedFS did not start: {error}\n{tail}") from error
            time.sleep(0.1)
        else:
            return


def _identity(name: str, keys: Keys) -> dict[str, Any]:
    credentials = {"accessKey": keys.access_key, "secretKey": keys.secret_key}
    return {"name": name, "credentials": [credentials], "actions": _USERS[name]}


def _access_key() -> str:
    return "A" + secrets.token_hex(10).upper()[:19]


def _free_ports(count: int) -> list[int]:
    """Ask the system for ports that nobody has."""
    sockets: list[socket.socket] = []
    try:
        while len(sockets) < count:
            one = socket.socket()
            one.bind(("127.0.0.1", 0))
            sockets.append(one)
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()


def with_parent() -> list[str]:
    """What to put before a command so that Linux kills it when this process ends."""
    if sys.platform != "linux":
        return []
    # 1 is PR_SET_PDEATHSIG, 9 is SIGKILL.
    program = (
        "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 9); os.execv(sys.argv[1], sys.argv[1:])"
    )
    return [sys.executable, "-S", "-c", program]
