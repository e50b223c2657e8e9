"""Reference: processes that read, decode and infer, and nothing else. No Spark, no output.

python -m benchmarks.bare FOLDER PROCESSES MODEL SIZE VIEWS BATCH_SIZE
"""

from __future__ import annotations

import multiprocessing
import sys
from pathlib import Path

from benchmarks.plain import Recipe, frame, infer, load, written


def work(files: list[Path], recipe: Recipe) -> None:
    """Embed the files one batch after another."""
    session = load(recipe.model)
    for start in range(0, len(files), recipe.batch_size):
        batch = files[start : start + recipe.batch_size]
        infer(session, [frame(file.read_bytes(), recipe) for file in batch])


def main() -> None:
    """Share the files out evenly, and wait for all processes."""
    folder, processes, *words = sys.argv[1:]
    files = sorted(file for file in Path(folder).rglob("*") if file.is_file())
    workers = [
        multiprocessing.Process(target=work, args=(files[n :: int(processes)], Recipe.of(words)))
        for n in range(int(processes))
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not any(worker.exitcode for worker in workers)
    written()


if __name__ == "__main__":
    main()
