"""The photos that everything is measured on: the same files, in the same folders, for all."""

from __future__ import annotations

import os
import shutil
import tempfile
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from verger.demo.render import VARIETIES, render_orchard
from verger.photos.labels import labeller_from
from verger.storage.folder import LocalPlace

_VIEWS = 16
A_SEED = _VIEWS * len(VARIETIES)  # photos that one seed gives


def rendered(count: int, cores: int) -> Path:
    """Render at least `count` photos under several seeds; return their folder.

    They are kept in the temporary folder of this machine, for the next time.
    """
    folder = Path(tempfile.gettempdir()) / f"verger-bench-{os.getuid()}"
    seeds = [seed for seed in range(-(-count // A_SEED)) if not (folder / f"seed{seed}").exists()]
    if seeds:
        with ProcessPoolExecutor(cores) as pool:
            list(pool.map(partial(_render, folder), seeds))
    return folder


def _render(folder: Path, seed: int) -> None:
    part = folder / f"seed{seed}.{os.getpid()}.part"
    render_orchard(part, views=_VIEWS, test_views=0, seed=seed)
    part.rename(folder / f"seed{seed}")


def listed(folder: Path) -> list[Path]:
    """List the photos of a folder, as `verger run` does."""
    refs = LocalPlace(folder).list(labeller_from("none", folder.name))
    return [folder / ref.path for ref in refs if ".part/" not in ref.path]


def lay(photos: list[Path], count: int, folder: Path) -> Path:
    """Lay `count` of the photos, spread evenly, out in `folder`, a folder a label.

    Where `count` is more than there are, some are laid twice. Files are hard links where the
    system allows; all are read once, so that nobody is the first to read them from the disk.
    """
    for n in range(count):
        round_, at = divmod(n, len(photos))
        photo = photos[at if count >= len(photos) else n * len(photos) // count]
        to = folder / photo.parent.name / f"{round_}-{n}{photo.suffix}"
        to.parent.mkdir(parents=True, exist_ok=True)
        try:
            to.hardlink_to(photo)
        except OSError:
            shutil.copyfile(photo, to)
        to.read_bytes()
    return folder


def lay_few(photos: list[Path], labels: int, each: int, folder: Path) -> Path:
    """Lay out `each` photos of each of `labels` labels."""
    by_label: dict[str, list[Path]] = {}
    for photo in photos:
        by_label.setdefault(photo.parent.name, []).append(photo)
    full = [group[:each] for group in by_label.values() if len(group) >= each][:labels]
    few = [photo for group in full for photo in group]
    return lay(few, len(few), folder)
