"""`verger doctor`: is everything in place? Each check says what it found, and what to do."""

from __future__ import annotations

import shutil
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import platformdirs

from verger.embed import gpu, open_backbone
from verger.errors import FAIL, OK, WARN, Check, PhotosError, StoreError, VergerError
from verger.gallery.identify import backbone_of
from verger.machine.extras import need
from verger.machine.folders import cache_folder, scratch_folder
from verger.machine.memory import memory_available, memory_limit
from verger.photos.address import Address
from verger.photos.labels import labeller_from
from verger.photos.references import EXTENSIONS
from verger.settings import DEFAULT_BACKBONE, RunSettings
from verger.storage.place import Place, Source, source_of, store_place
from verger.store.store import Store
from verger.texts.command import say

_GB = 10**9
_LEAST_MEMORY, _GOOD_MEMORY = 0.8 * _GB, 2 * _GB
_LEAST_DISK, _GOOD_DISK = 0.2 * _GB, 2 * _GB
_LOOKED_AT = 10_000


def examine(photos: str | None = None, store: str | None = None) -> Iterator[Check]:
    """Yield one check after another, each as soon as it is known.

    `photos` and `store` are folders or URLs as `verger run` takes them; what is not given is not
    looked at. In STORE a small object is written under `.verger/`, read, and deleted.
    """
    yield _python()
    yield _told("Java", _java)
    yield _memory()
    yield _scratch()
    yield _cache()
    yield _told("backbone", lambda: _backbone(store))
    yield _told("device", _device)
    if photos is not None:
        yield _told("PHOTOS", lambda: _photos(source_of(photos)))
    if store is not None:
        yield _told("STORE", lambda: _store(store_place(store)))
        if (folder := Address.of(store).file) is not None:
            yield _disk("STORE", _nearest(folder), "Free some space, or choose another disk.")
    yield _told("Spark", _spark)


def _told(name: str, check: Callable[[], str]) -> Check:
    """Make a check of what a function returns, or raises."""
    try:
        return Check(name, OK, check())
    except VergerError as error:
        return Check(name, FAIL, error.what, error.hint)
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        return Check(
            name, FAIL, f"{say(error.strerror or str(error))}{where}.", "Check its permissions."
        )


def _python() -> Check:
    found = f"{sys.version.split()[0]}, {sys.executable}"
    if (3, 11) <= sys.version_info[:2] <= (3, 13):
        return Check("Python", OK, found)
    return Check("Python", FAIL, found, "Verger needs Python 3.11, 3.12 or 3.13.")


def _java() -> str:
    need("", "Spark", "pyspark")
    from verger.spark.java import find_java

    java = find_java()
    return f"{java.version}, {say('brought by pip') if java.bundled else java.executable}"


def _memory() -> Check:
    available, limit = memory_available(), memory_limit()
    if available is None:
        return Check("memory", WARN, "not known on this system.")
    found = f"{available / _GB:.1f} GB available."
    if limit:
        allowed = f"{limit / _GB:.1f} GB that this container may use"
        found = f"{available / _GB:.1f} GB available of the {allowed}."
    return _graded("memory", available, _LEAST_MEMORY, _GOOD_MEMORY, found, "Give less --memory.")


def _disk(name: str, folder: Path, remedy: str) -> Check:
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Check(name, FAIL, f"{folder}{say(': ')}{say(error.strerror or str(error))}.", remedy)
    found = f"{free / _GB:.1f} GB free in {folder}."
    return _graded(name, free, _LEAST_DISK, _GOOD_DISK, found, remedy)


def _graded(name: str, value: float, least: float, good: float, found: str, remedy: str) -> Check:
    state = OK if value >= good else WARN if value >= least else FAIL
    return Check(name, state, found, "" if state == OK else remedy)


def _scratch() -> Check:
    try:
        with scratch_folder("vg-", runs_programs=True) as folder:
            return _disk("disk", folder.parent, "Set TMPDIR to a larger disk.")
    except VergerError as error:
        return Check("disk", FAIL, error.what, error.hint)


def _cache() -> Check:
    if folder := cache_folder():
        return Check("cache", OK, f"{folder} belongs to this user only.")
    where = platformdirs.user_cache_dir("verger")
    return Check(
        "cache", WARN, f"{where} is not used: it cannot be written "
        "to, or another user can write to it.",
        "Set XDG_CACHE_HOME to a folder of your own; Spark starts more slowly without.",
    )  # fmt: skip


def _backbone(store: str | None) -> str:
    """Look at the network that a run would take: the one that STORE was made with, if any."""
    record = Store(store).record_to_grow() if store else None
    if store is None or record is None:
        backbone, why = open_backbone(DEFAULT_BACKBONE), "the default one"
    else:
        backbone = backbone_of(record, store, record["backbone"]["features"])
        why = "which STORE was made with"
    backbone.model()
    framing = backbone.card.input.framing
    return f"{backbone.card.name}, views {framing}, {why}; its checksum is right."


def _device() -> str:
    against = gpu.tried()
    return f"cpu. {against.what}" if against else "cpu; and cuda, which was tried and works."


def _photos(place: Source) -> str:
    photo = _first_photo(place)
    data = place.read(photo)
    return f"{place} can be listed and read ({photo}, {len(data):,} bytes)."


def _first_photo(place: Source) -> str:
    """Return the path of one photo, of those that a listing finds first."""

    def hear(found: int) -> None:
        if found > _LOOKED_AT:
            raise PhotosError(f"{place} holds no photo among its first {_LOOKED_AT:,} files.")

    with closing(place.list(labeller_from("none", ""), hear, in_order=False)) as refs:
        if photo := next((ref for ref in refs if ref.reason is None), None):
            return photo.path
    looked_for = f"Looked for {' '.join(EXTENSIONS)}."
    raise PhotosError(f"{place} holds no photo that can be read.", hint=looked_for)


def _store(place: Place) -> str:
    name = f".verger/doctor-{uuid.uuid4().hex}"
    there = _nearest(place.folder / ".verger") if place.folder else None
    try:
        place.put(name, b"doctor")
        if place.read(name) != b"doctor":
            raise StoreError(f"{place} returns different bytes from those written.")
        if name not in place.entries(".verger"):
            raise StoreError(f"{place} does not list what was written.")
        place.delete(name)
        if place.exists(name):
            raise StoreError(f"{place} keeps what was deleted.")
    finally:
        if place.folder:
            with suppress(OSError):
                place.delete(name)
            _remove_empty(place.folder / ".verger", there)
    return f"{place} can be listed, read, written, and deleted from."


def _remove_empty(folder: Path, there: Path | None) -> None:
    """Remove folders that hold nothing, from one upwards to one that was there before."""
    while folder != there and folder != folder.parent:
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent


def _nearest(folder: Path) -> Path:
    """Return the folder, or the nearest above it that is there."""
    return next((f for f in (folder.absolute(), *folder.absolute().parents) if f.is_dir()), folder)


def _spark() -> str:
    need("", "Spark", "pyspark", "pandas")
    from verger.spark.session import session, versions

    with scratch_folder() as folder, session(RunSettings(cores=1), short=True) as spark:
        found: dict[str, Any] = versions(spark)
        (folder / "résultats").touch()
        jvm: Any = spark.sparkContext._jvm
        if not jvm.java.io.File(str(folder / "résultats")).exists():
            raise VergerError(
                f"Java cannot find a file with accents in its name ({folder}/résultats).",
                hint="Set LC_ALL to a locale of UTF-8 that `locale -a` lists.",
            )
        worker = next(iter(spark.range(1).mapInArrow(_interpreters, "name string").collect()))[0]
    if worker != sys.executable:
        raise VergerError(
            f"Workers run a different Python: {worker}.", hint="Unset PYSPARK_PYTHON."
        )
    return f"{found['spark']} starts and runs a job, on Java {found['java']}, with this Python."


def _interpreters(batches: Iterator[Any]) -> Iterator[Any]:
    import pyarrow as pa

    for batch in batches:
        yield pa.RecordBatch.from_pydict({"name": [sys.executable] * batch.num_rows})
