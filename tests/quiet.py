"""Runs a command where it can reach nobody, and writes down whom it tries to reach.

    unshare --net --uts python quiet.py FILE COMMAND…

In a network of its own each address leads back here, and a sniffer notes every packet that is for
another machine, and every question to a name server. The name of the machine is one that nobody
knows.
"""

from __future__ import annotations

import ipaddress
import json
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

NAME = "nobody-knows-this-machine"
_ALL, _IPV4, _IPV6 = 0x0003, 0x0800, 0x86DD
_DNS = 53


def _heard(packet: bytes, kind: int) -> str | None:
    """Say whom a packet is for, if that is another machine or a name server."""
    if kind == _IPV4:
        target, start = ipaddress.ip_address(packet[16:20]), (packet[0] & 15) * 4
    elif kind == _IPV6:
        target, start = ipaddress.ip_address(packet[24:40]), 40
    else:
        return None
    port = int.from_bytes(packet[start + 2 : start + 4])
    if port == _DNS:
        asked = "".join(chr(byte) if 32 < byte < 127 else "." for byte in packet[start + 20 :])
        return f"a name server, of {asked.strip('.')}"
    if target.is_loopback or target.is_multicast:
        return None
    return f"{target} port {port}"


def _listen(sniffer: socket.socket, told: set[str]) -> None:
    while True:
        packet, (_, kind, *_) = sniffer.recvfrom(2048)
        if said := _heard(packet, kind):
            told.add(said)


def main(file: str, command: list[str]) -> int:
    """Run the command; write whom it tried to reach as JSON; return its exit code."""
    for line in (
        ["ip", "link", "set", "lo", "up"],
        ["ip", "route", "add", "local", "0.0.0.0/0", "dev", "lo"],
        ["ip", "-6", "route", "add", "local", "::/0", "dev", "lo"],
    ):
        subprocess.run(line, check="-6" not in line, capture_output=True)
    socket.sethostname(NAME)
    sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ALL))
    told: set[str] = set()
    threading.Thread(target=_listen, args=(sniffer, told), daemon=True).start()
    code = subprocess.run(command, check=False).returncode
    time.sleep(0.2)
    Path(file).write_text(json.dumps(sorted(told)))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
