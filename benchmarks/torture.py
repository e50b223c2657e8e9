"""`python -m benchmarks.torture --python PYTHON`: what others make of the torture folder.

    --python PYTHON   of an environment that has OpenCV and Daft: python3 -m venv /tmp/peers &&
                      /tmp/peers/bin/pip install opencv-python-headless daft pillow numpy
    --only FOLDER …   of the torture folder, such as damaged sound: the rest of the table stays
    --write           replace the table in docs/torture.md

Makes the folder (scripts/torture.py), and has Pillow alone, OpenCV, Spark's image source and Daft
open each file of it, one at a time, with 20 seconds of processor (60 of the clock) and 4 GiB each.
Pillow and Spark are those of this environment. What a tool opens is cut as for a network, and
compared with the right picture.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import re
import select
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

from benchmarks.contenders import HERE
from verger.photos.decode import decode
from verger.photos.references import escaped

sys.path.insert(0, str(HERE.parent / "tests"))  # the tests make the same files

from makers import torture

TOOLS = ("Pillow", "OpenCV", "Spark", "Daft")
_ANSWERS = RIGHT, WRONG, ERROR, HANGS = "right", "wrong", "error", "hangs"
_CPU_SECONDS, _SECONDS, _BYTES = 20.0, 60.0, 4 * 2**30
_CROP, _SHORTER = 224, 256
_ROUNDING = 3.0  # levels that another way to resize may differ by, on average
_DOC = HERE.parent / "docs" / "torture.md"
_BEGIN, _END = "<!-- measured -->", "<!-- end -->"
_BETWEEN = " · "
_Counts = dict[tuple[str, str], list[Counter[str]]]  # of a folder and what is right: of each tool


def main() -> None:
    """Measure, and print the table or write it into the docs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.torture", description=__doc__)
    parser.add_argument("--python", required=True, help="of an environment with OpenCV and Daft")
    parser.add_argument("--only", nargs="+", metavar="FOLDER")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    head = _head(_versions(options.python))
    counts = _measured_before(head, set(options.only)) if options.only else {}
    with tempfile.TemporaryDirectory(prefix="verger-torture-") as scratch:
        folder = Path(scratch) / "photos"
        torture.make(folder)
        rows = {
            path: row
            for path, row in torture.expected(folder).items()
            if row.outcome != torture.LEFT_OUT
            and (not options.only or _folder(path) in options.only)
        }
        right = _right_pictures(folder, rows)
        for number, tool in enumerate(TOOLS):
            python = options.python if tool in ("OpenCV", "Daft") else sys.executable
            for path, found in _judged(tool, python, folder, rows, right).items():
                kind = _folder(path), rows[path].outcome
                counts.setdefault(kind, [Counter() for _ in TOOLS])[number][found] += 1
    table = _table(head, counts)
    print(table)
    if options.write:
        before, _, after = _parts_of_the_page()
        _DOC.write_text(f"{before}{_BEGIN}\n\n{table}\n\n{_END}{after}")


def _folder(path: str) -> str:
    return path.partition("/")[0]


def _right_pictures(folder: Path, rows: dict[str, torture.Row]) -> dict[str, Any]:
    """What the network must see, of each file that others must show."""
    wanted = {row.like for row in rows.values() if row.like}
    return {path: decode((folder / path).read_bytes()).pixels[0].astype(int) for path in wanted}


def _judged(
    tool: str, python: str, folder: Path, rows: dict[str, torture.Row], right: dict[str, Any]
) -> dict[str, str]:
    paths = {escaped(str(file.relative_to(folder))): str(file) for file in _files(folder)}
    peer = _Peer(tool, python, paths["right/waves.png"])
    judged = {}
    try:
        for path, row in rows.items():
            judged[path] = _judge(row, peer.open(paths[path]), right)
            print(f"{tool}: {path!r}: {judged[path]}", file=sys.stderr)
    finally:
        peer.close()
    return judged


def _files(folder: Path) -> list[Path]:
    return [Path(at) / name for at, _, names in os.walk(folder) for name in names]


def _judge(row: torture.Row, opened: np.ndarray | str, right: dict[str, Any]) -> str:
    """Say what an answer is worth: a picture, or ERROR, or HANGS."""
    if isinstance(opened, str):
        return RIGHT if opened == ERROR and row.outcome == torture.REJECTED else opened
    if row.like:
        levels = np.abs(_seen(opened) - right[row.like])
        return RIGHT if levels.mean() <= row.mean + _ROUNDING else WRONG
    # Much work that was done in time and in little memory did no harm. No other reject is a photo.
    return RIGHT if row.reason == "too_large" else WRONG


def _seen(pixels: np.ndarray) -> np.ndarray:
    """Cut as for a network: the shorter side to 256 pixels, the middle 224 of them."""
    image = Image.fromarray(pixels)
    side = min(image.size) * _CROP / _SHORTER
    left, top = (image.width - side) / 2, (image.height - side) / 2
    box = (left, top, left + side, top + side)
    return np.asarray(image.resize((_CROP, _CROP), Image.Resampling.BILINEAR, box)).astype(int)


class _Peer:
    """One tool in a process of its own, which is started again where it had to be ended."""

    def __init__(self, tool: str, python: str, first: str) -> None:
        self._first = first  # a sound photo
        self._line = [python, str(HERE / "torture_peers.py"), tool]
        self._process: subprocess.Popen[str] | None = None

    def open(self, path: str) -> np.ndarray | str:
        process = self._started()
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(path) + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            self.close()
            return HANGS
        said = self._answer(process)
        if not said:  # it took too long or too much, or is gone
            self.close()
            return HANGS
        told = json.loads(said)
        return np.load(told["pixels"]) if "pixels" in told else ERROR

    def close(self) -> None:
        if self._process:
            for child in psutil.Process(self._process.pid).children(recursive=True):
                child.kill()
            self._process.kill()
            self._process.wait()
            self._process = None

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                self._line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                stderr=subprocess.DEVNULL,
            )  # fmt: skip
            assert self._process.stdout is not None
            assert self._process.stdout.readline() == "ready\n", "the tool did not start"
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(self._first) + "\n")  # what is done once
            self._process.stdin.flush()
            assert "pixels" in self._process.stdout.readline(), "the tool opens no PNG"
        return self._process

    def _answer(self, process: subprocess.Popen[str]) -> str:
        deadline = time.monotonic() + _SECONDS
        most = _used(process)[0] + _CPU_SECONDS
        assert process.stdout is not None
        while time.monotonic() < deadline:
            if select.select([process.stdout], [], [], 0.05)[0]:
                return process.stdout.readline()
            seconds, memory = _used(process)
            if seconds > most or memory > _BYTES:
                break
        return ""


def _used(process: subprocess.Popen[str]) -> tuple[float, int]:
    """Seconds of processor and bytes of memory, of a process and all that it started."""
    try:
        first = psutil.Process(process.pid)
        all_ = (first, *first.children(recursive=True))
        seconds = sum(p.cpu_times().user + p.cpu_times().system for p in all_)
        return seconds, sum(p.memory_info().rss for p in all_)
    except psutil.Error:
        return 0.0, 0


def _versions(python: str) -> dict[str, str]:
    code = "import cv2, daft; print(cv2.__version__, daft.__version__)"
    there = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    opencv, daft = there.stdout.split()
    here = importlib.metadata.version
    return {
        "Pillow": here("pillow"), "OpenCV": opencv, "Spark": here("pyspark"), "Daft": daft,
    }  # fmt: skip


def _parts_of_the_page() -> tuple[str, str, str]:
    """Return what stands before the table, the table, and what stands after it."""
    before, _, rest = _DOC.read_text().partition(_BEGIN)
    table, _, after = rest.partition(_END)
    return before, table.strip(), after


def _head(versions: dict[str, str]) -> str:
    tools = [f"{tool} {re.sub(r'[.]0$', '', versions[tool])}" for tool in TOOLS]
    return "| files | right is | how many | " + " | ".join(tools) + " |"


def _measured_before(head: str, folders: set[str]) -> _Counts:
    """Read what the table in the docs says of all but these folders."""
    lines = _parts_of_the_page()[1].splitlines()
    if lines[0] != head:
        sys.exit(f"The table is of other versions: {lines[0]}\nMeasure all, without --only.")
    counts: _Counts = {}
    for line in lines[2:-1]:
        folder, outcome, _, *cells = line.strip("| ").split(" | ")
        if folder not in folders:
            numbers = [map(int, cell.split(_BETWEEN)) for cell in cells]
            counts[folder, outcome] = [
                Counter(dict(zip(_ANSWERS, cell, strict=True))) for cell in numbers
            ]
    return counts


def _table(head: str, counts: _Counts) -> str:
    """One line a kind of files: how many are right / silently wrong / an error / a hang."""
    lines = [head, "| --- | --- | ---: | " + " | ".join("---" for _ in TOOLS) + " |"]
    sums: list[Counter[str]] = [sum(tool, Counter()) for tool in zip(*counts.values(), strict=True)]
    for (folder, outcome), tools in [*sorted(counts.items()), (("all", ""), sums)]:
        cells = [_BETWEEN.join(str(tool[answer]) for answer in _ANSWERS) for tool in tools]
        lines.append(f"| {folder} | {outcome} | {tools[0].total()} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
