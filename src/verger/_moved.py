"""Old import paths: they still work, and a DeprecationWarning names the new one.

A module of the left column is the module of the right one, loaded when it is asked for: classes
and patches are the same under both names. One that was divided finds its names in several.
Nothing of Verger's own takes an old path: `tests/test_old_paths.py` looks.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType

# All without "verger.".
MODULES = {
    "ahead": "storage.prefetch",
    "answers": "cli.answers",
    "app.choosing": "app.photo_choice",
    "backbones": "embed",
    "backbones.backbone": "embed.backbone",
    "backbones.card": "embed.card",
    "buckets": "storage.bucket storage.bucket_source storage.bucket_listing",
    "cli.app": "cli.static_app",
    "cloud.commands": "cli.cloud",
    "cloud.job_commands": "cli.cloud_jobs",
    "cloud.options": "cli.cloud_options",
    "cloud.telling": "cloud.plan_lines",
    "cloud.upload": "cloud.sync",
    "discriminant": "projections.discriminant",
    "doctor": "cli.doctor",
    "embed.session": "embed.onnx_session",
    "evaluate": "gallery.evaluate",
    "export": "embed.conversion",
    "export.calibration": "embed.conversion.sample_photos",
    "export.fidelity": "embed.conversion.fidelity",
    "export.graph": "embed.conversion.graph",
    "export.needed": "embed.conversion.needed",
    "export.quantize": "embed.conversion.quantize",
    "export.torch_models": "embed.conversion.torch_models",
    "export.weights": "embed.conversion.weights",
    "features": "embed.features",
    "gallery.layout": "gallery.files",
    "identify": "gallery.identify",
    "interface.results": "interface.outcomes",
    "inventory": "store.inventory",
    "knowledge.labels": "knowledge.naming",
    "layout": "store.layout",
    "listing": "store.stock",
    "models": "projections.model_files",
    "moments": "projections.moments",
    "parts": "store.parts",
    "photos.berries": "demo.berries",
    "photos.exotics": "demo.exotics",
    "photos.limits": "photos.decode_work",
    "photos.objects": "storage.bucket_listing",
    "photos.orchard": "demo.orchard",
    "photos.render": "demo.render",
    "photos.solids": "demo.solids",
    "photos.source": "photos.references photos.labels",
    "photos.stone": "demo.stone",
    "photos.textures": "demo.textures",
    "pipeline.counting": "pipeline.count_check",
    "pipeline.job": "pipeline.context",
    "places": "storage.place storage.folder",
    "projection": "projections.pca",
    "record": "store.record",
    "report.build": "report.data",
    "report.pictures": "report.thumbnails",
    "report.render": "report.html",
    "report.words": "report.translations",
    "serve.app": "serve.asgi",
    "serve.catalogue": "serve.varieties",
    "serve.pages": "serve.page_routes",
    "serve.places": "serve.admission",
    "slides.pages.findings": "slides.pages.results",
    "slides.pictures": "slides.images",
    "sorting": "storage.sorting",
    "spark.embedding": "tasks.embedding",
    "spark.gpu": "spark.gpu_tasks",
    "spark.memory": "spark.java_memory",
    "spark.packing": "spark.moment_chunks",
    "spark.reduction": "tasks.reduction",
    "spark.spans": "tasks.splits",
    "spark.telling": "spark.task_progress",
    "spark.workers": "spark.executors",
    "storage.objects": "storage.bucket_listing",
    "store.damage": "store.defects",
    "store.labels": "store.label_codes",
    "summary": "store.summary",
    "tables": "store.tables",
    "tasks.blocks": "store.blocks",
    "web": "storage.http",
    "weblist": "storage.url_list",
}
# What left a module that is still there: module -> name -> where it is now.
NAMES = {
    "pipeline": {"prepare": "demo"},
    "store": {
        "FAILED_REJECTS": "store.layout",
        "Publication": "store.publication",
        "RECORD_FORMAT": "store.reader",
        "Store": "store.store",
        "Work": "store.work",
        "fingerprint": "store.store",
        "now": "store.store",
    },
}


class _Moved:
    """Import hook, first in sys.meta_path: else the package path loads a second copy."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        moved = name.startswith("verger.") and name.removeprefix("verger.") in MODULES
        return ModuleSpec(name, self) if moved else None  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave it to Python: the new module must not take the old one's spec."""

    def exec_module(self, module: ModuleType) -> None:
        old = module.__name__
        homes = [f"verger.{home}" for home in MODULES[old.removeprefix("verger.")].split()]
        _warn(old, " and ".join(homes))
        if len(homes) == 1:
            sys.modules[old] = import_module(homes[0])  # what `import` gives to its caller
        else:
            vars(module)["__getattr__"] = lambda name: _found(name, old, homes)


def install() -> None:
    """Make Python find the modules that moved."""
    sys.meta_path.insert(0, _Moved())


def names_of(module: str) -> Callable[[str], object]:
    """Return the `__getattr__` of a module that names have left."""

    def find(name: str) -> object:
        home = NAMES[module.removeprefix("verger.")].get(name)
        if home is not None:
            _warn(f"{module}.{name}", f"verger.{home}.{name}")
        value = _found(name, module, [f"verger.{home}"] if home else [])
        setattr(sys.modules[module], name, value)
        return value

    return find


def _found(name: str, old: str, homes: Sequence[str]) -> object:
    for home in homes:
        if name in vars(import_module(home)):
            return vars(import_module(home))[name]
    raise AttributeError(f"module {old!r} has no attribute {name!r}")


def _warn(old: str, new: str) -> None:
    # 3: past this function and its caller; Python passes over the frames of `import` itself.
    warnings.warn(f"{old} is now {new}.", DeprecationWarning, stacklevel=3)
