"""Saved models: what is read is what was written, and nothing else is ever built."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from verger.errors import StoreError
from verger.projections.model_files import FORMAT, load_model, save_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SHAPES = {"mean": ("d",), "components": ("k", "d")}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    arrays = {"mean": rng.normal(size=4), "components": rng.normal(size=(2, 4))}
    save_model(tmp_path, "pca", {"rank": 2, "note": "é"}, arrays)
    return tmp_path


def header_of(folder: Path) -> dict[str, Any]:
    header: dict[str, Any] = json.loads((folder / "pca.json").read_text(encoding="utf-8"))
    return header


def rewrite(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    header = header_of(folder)
    change(header)
    (folder / "pca.json").write_text(json.dumps(header), encoding="utf-8")


def replace_array(folder: Path, content: bytes, **entry: Any) -> None:
    """Put other bytes in the place of `mean`, with a SHA-256 that fits: a forger can do that."""
    (folder / "pca.mean.npy").write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    rewrite(folder, lambda h: h["arrays"]["mean"].update(sha256=sha256, **entry))


def npy(array: Any, *, allow_pickle: bool = False) -> bytes:
    out = io.BytesIO()
    np.save(out, array, allow_pickle=allow_pickle)
    return out.getvalue()


def refusal(folder: Path) -> str:
    with pytest.raises(StoreError) as caught:
        load_model(folder, "pca", SHAPES)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    arrays = {
        "mean": np.array([1e-300, -0.0, 1 / 3]),
        "components": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    }
    save_model(tmp_path / "new" / "folder", "pca", {"rank": 2, "share": 0.1}, arrays)
    fields, read = load_model(tmp_path / "new" / "folder", "pca", SHAPES)
    assert fields["rank"] == 2
    assert fields["share"] == 0.1
    assert fields["format"] == FORMAT
    assert read.keys() == arrays.keys()
    for name, array in arrays.items():
        assert read[name].tobytes() == np.ascontiguousarray(array).tobytes()
        assert read[name].dtype == np.float64
    assert sorted(p.name for p in (tmp_path / "new" / "folder").iterdir()) == [
        "pca.components.npy",
        "pca.json",
        "pca.mean.npy",
    ]


def test_empty_dimensions_are_kept(tmp_path: Path) -> None:
    save_model(tmp_path, "pca", {}, {"mean": np.zeros(3), "components": np.zeros((0, 3))})
    _, arrays = load_model(tmp_path, "pca", SHAPES)
    assert arrays["components"].shape == (0, 3)


def test_saving_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        save_model(tmp_path / folder, "pca", {"k": 1}, {"mean": np.arange(3.0)})
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


def test_a_number_that_is_none_is_not_saved_in_the_header(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        save_model(tmp_path, "pca", {"rank": float("nan")}, {})
    assert not (tmp_path / "pca.json").exists()


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    assert "pca.json is missing" in refusal(tmp_path)
    assert "pca.json is missing" in refusal(tmp_path / "gone")


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"null", b"[]", b'"pca"', b"\xff", b"{}", b'{"format": 1}', b"[" * 200_000,
     b'{"format": "1", "kind": "pca"}', b'{"format": 1, "kind": "lda"}'],
)  # fmt: skip
def test_a_header_that_is_no_model_is_refused(saved: Path, text: bytes) -> None:
    (saved / "pca.json").write_bytes(text)
    assert "pca.json is not a saved pca model" in refusal(saved)


def test_a_header_cut_anywhere_is_refused(saved: Path) -> None:
    whole = (saved / "pca.json").read_bytes().rstrip()
    for length in range(0, len(whole), 7):
        (saved / "pca.json").write_bytes(whole[:length])
        assert "not a saved pca model" in refusal(saved)


def test_a_newer_format_asks_for_an_upgrade(saved: Path) -> None:
    rewrite(saved, lambda h: h.update(format=FORMAT + 1))
    reply = refusal(saved)
    assert f"has format {FORMAT + 1}" in reply
    assert "Upgrade" in reply


@pytest.mark.parametrize("key", ["mean", "components"])
def test_an_array_that_is_missing(saved: Path, key: str) -> None:
    (saved / f"pca.{key}.npy").unlink()
    assert "missing or damaged" in refusal(saved)
    rewrite(saved, lambda h: h["arrays"].pop(key))
    assert "missing or damaged" in refusal(saved)


def test_an_array_cut_or_changed_in_one_bit_is_refused(saved: Path) -> None:
    whole = (saved / "pca.mean.npy").read_bytes()
    for content in (b"", whole[:-1], whole[:40], whole + b"\0", whole[:-8] + b"\1" + whole[-7:]):
        (saved / "pca.mean.npy").write_bytes(content)
        assert "SHA-256 of pca.mean.npy" in refusal(saved)


@pytest.mark.parametrize(
    "name",
    ["../secret.npy", "/etc/passwd", "sub/pca.mean.npy", "..", ".", "", "pca.mean.npy/", "PCA.NPY",
     "..\\x.npy", "a b.npy", "pca.mean.npy\0"],
)  # fmt: skip
def test_a_name_that_leaves_the_folder_is_never_opened(saved: Path, name: str) -> None:
    content = (saved / "pca.mean.npy").read_bytes()
    (saved.parent / "secret.npy").write_bytes(content)
    (saved / "sub").mkdir()
    (saved / "sub" / "pca.mean.npy").write_bytes(content)
    rewrite(saved, lambda h: h["arrays"]["mean"].update(file=name))
    assert "is not the name of an array file" in refusal(saved)


class Bomb:
    """What would run if anything were unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.exit, ("something was unpickled",))


def test_pickles_are_refused_in_any_dress(saved: Path) -> None:
    objects = np.array([Bomb(), None, None, None], dtype=object)
    archive = io.BytesIO()
    np.savez(archive, mean=np.zeros(4))
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as out:
        out.writestr("mean.npy", npy(objects, allow_pickle=True))
    for content in (
        pickle.dumps(Bomb()),
        npy(objects, allow_pickle=True),
        archive.getvalue(),
        zipped.getvalue(),
    ):
        replace_array(saved, content)
        assert "missing or damaged" in refusal(saved)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(4, np.float32),
        np.zeros(4, ">f8"),
        np.zeros(4, np.int64),
        np.zeros(4, np.complex128),
        np.zeros(4, [("a", "<f8")]),
        np.asfortranarray(np.zeros((2, 2))),
        np.array(["a", "b", "c", "d"]),
    ],
    ids=lambda array: f"{array.dtype} {array.ndim}",
)
def test_another_dtype_is_refused(saved: Path, array: Any) -> None:
    replace_array(saved, npy(array), dtype=array.dtype.str)
    assert "dtype" in refusal(saved)


@pytest.mark.parametrize("shape", [(5,), (3,), (4, 1), (), (2, 2)])
def test_shapes_that_do_not_fit_are_refused(saved: Path, shape: tuple[int, ...]) -> None:
    replace_array(saved, npy(np.zeros(shape)))
    assert "shape" in refusal(saved)  # not what the header says
    replace_array(saved, npy(np.zeros(shape)), shape=list(shape))
    assert "shape" in refusal(saved)  # what the header says, and at odds with the other array


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_are_refused(saved: Path, value: float) -> None:
    replace_array(saved, npy(np.array([0, 1, value, 2.0])))
    assert "not numbers" in refusal(saved)


def test_a_forged_array_file_is_refused_whatever_it_says(saved: Path) -> None:
    good = npy(np.zeros(4))
    huge = good.replace(b"(4,), }" + b" " * 14, b"(999999999999999,), }")
    assert huge != good
    forged = [
        huge,
        b"",
        b"\x93NUMPY",
        good[:20],
        good.replace(b"}", b"{"),
        good[:6] + b"\x09\0" + good[8:],
    ]
    rng = np.random.default_rng(0)
    for _ in range(300):
        changed = bytearray(good)
        for _ in range(rng.integers(1, 4)):
            changed[rng.integers(6, 128)] = rng.integers(256)
        forged.append(bytes(changed))
    for content in forged:
        replace_array(saved, content)
        try:
            _, arrays = load_model(saved, "pca", SHAPES)
        except StoreError:
            continue
        assert arrays["mean"].tolist() == [0.0] * 4


@pytest.mark.parametrize("entry", [None, [], "pca.mean.npy", {}, {"file": None}, {"file": 3}])
def test_an_entry_of_another_form_is_refused(saved: Path, entry: Any) -> None:
    rewrite(saved, lambda h: h["arrays"].update(mean=entry))
    assert "missing or damaged" in refusal(saved)
    rewrite(saved, lambda h: h.update(arrays=entry))
    assert "missing or damaged" in refusal(saved)
