"""Peer (a): two processes that read, decode and infer, and nothing else. No Spark, no output.

python -m benchmarks.bare FOLDER PROCESSES MODEL SIZE SHORTER_SIDE BATCH_SIZE
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import time
from pathlib import Path

from benchmarks.plain import Recipe, frame, infer, load


def work(files: list[Path], recipe: Recipe) -> None:
    """Embed the files one batch after another."""
    session = load(recipe)
    for start in range(0, len(files), recipe.batch_size):
        batch = files[start : start + recipe.batch_size]
        infer(session, [frame(file.read_bytes(), recipe) for file in batch])


def main() -> None:
    """Share the files out evenly, and wait for all processes."""
    folder, processes, model, *numbers = sys.argv[1:]
    recipe = Recipe(Path(model), *map(int, numbers))
    files = sorted(file for file in Path(folder).rglob("*") if file.is_file())
    start = time.perf_counter()
    workers = [
        multiprocessing.Process(target=work, args=(files[n :: int(processes)], recipe))
        for n in range(int(processes))
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not any(worker.exitcode for worker in workers)
    print(json.dumps({"photos": len(files), "seconds": time.perf_counter() - start}))


if __name__ == "__main__":
    main()
