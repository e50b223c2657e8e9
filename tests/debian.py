"""A fresh Debian root of the test's own, and programs that run in it with nothing of this machine.

`scripts/install_debian_root.py` makes what is copied here. A program runs in namespaces of its own
for mounts and processes, so that nothing of it outlives it; the network is this machine's, where
the S3 server listens.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

MADE = Path(__file__).resolve().parent.parent / "build" / "debian-root"
PATIENCE = 300  # seconds

# Amazon Linux's and systemd's own commands, of which this root has none. Each writes down what it
# was asked for; `dnf install python3.N` gives the Python that was put aside.
SHUTDOWN = '#!/bin/sh\necho "$*" >>/var/log/shutdown\n'
DNF = """#!/bin/sh
echo "$*" >>/var/log/dnf
for word do package=$word; done
mv "/root/$package" "/usr/local/bin/$package"
"""


@dataclass(frozen=True)
class Root:
    """A root directory to run programs in."""

    path: Path

    @classmethod
    def fresh(cls, path: Path) -> Root:
        """Copy the fresh Debian to `path`. Skips where there is none, or it cannot be used."""
        if os.geteuid() != 0:
            pytest.skip("only root can enter another root directory")
        if not MADE.is_dir():
            pytest.skip("no fresh Debian: run scripts/install_debian_root.py")
        if not shutil.which("unshare"):
            pytest.skip("no unshare command here")
        subprocess.run(["cp", "-a", "--reflink=auto", str(MADE), str(path)], check=True)
        root = cls(path)
        root.command("/usr/local/sbin/shutdown", SHUTDOWN)
        root.file("/etc/hosts").write_text(f"127.0.0.1 localhost {socket.gethostname()}\n")
        return root

    def command(self, name: str, text: str) -> None:
        """Put a command into the root."""
        file = self.file(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o755)

    def put_python_aside(self) -> None:
        """Leave Python to the `aws` command alone, until `dnf` is asked for python3.11."""
        own = self.file("/usr/local/lib/aws/python3")
        shutil.copy2(self.file("/usr/bin/python3.11"), own)
        aws = self.file("/usr/local/bin/aws")
        aws.write_text(aws.read_text().replace("exec python3 ", "exec /usr/local/lib/aws/python3 "))
        self.file("/usr/bin/python3.11").rename(self.file("/root/python3.11"))
        self.file("/usr/bin/python3").unlink()
        self.command("/usr/local/bin/dnf", DNF)

    def file(self, name: str) -> Path:
        """Where a file of the root lies, seen from outside."""
        return self.path / name.lstrip("/")

    def run(
        self,
        line: list[str],
        env: Mapping[str, str],
        cwd: str = "/root",
        patience: float = PATIENCE,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end, with this environment and nothing else."""
        given = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", **env}
        inside = (
            'root=$1 cwd=$2; shift 2; mount --bind /dev "$root/dev"; '
            'exec chroot "$root" sh -c \'cd "$1"; shift; exec "$@"\' sh "$cwd" "$@"'
        )
        return subprocess.run(
            [
                "unshare", "--mount", "--pid", "--fork", "--kill-child",
                f"--mount-proc={self.path / 'proc'}",
                "sh", "-ec", inside, "sh", str(self.path), cwd, *line,
            ],
            env=given, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            timeout=patience,
        )  # fmt: skip
