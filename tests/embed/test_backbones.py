"""Backbones: the shipped one and files of one's own; what cannot be one is refused by name."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from onnx_bytes import FLOAT, INT64, Node, Value, model, one_node, pooled_bytes, pooled_floats
from pictures import encoded, smooth
from verger.demo.render import render_photo
from verger.embed import Backbone, Card, InputSpec, Network, open_backbone
from verger.embed.backbone import shipped_names, to_input
from verger.embed.card import IMAGENET_MEAN, IMAGENET_STD, guessed_input
from verger.errors import BackboneError, UsageError
from verger.photos.decode import Framing, decode
from verger.settings import DEFAULT_BACKBONE

if TYPE_CHECKING:
    import numpy.typing as npt


def photos(count: int, size: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Draw photos (count, 1, size, size, 3): one view of each."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, 1, size, size, 3), dtype=np.uint8)


def put(folder: Path, content: bytes, name: str = "net.onnx", **card: Any) -> Path:
    """Write a model, and its card beside it where anything is said of it."""
    file = folder / name
    file.write_bytes(content)
    if card:
        file.with_suffix(".json").write_text(json.dumps(card_of(content, **card)))
    return file


def card_of(content: bytes, **changes: Any) -> dict[str, Any]:
    card: dict[str, Any] = {
        "format": 1,
        "name": "net",
        "sha256": hashlib.sha256(content).hexdigest(),
        "input": {"name": "x", "layout": "NCHW", "dtype": "float32", "size": 32},
        "output": {"name": "y", "features": 3},
    }
    for key, value in changes.items():
        section, _, inner = key.rpartition("__")
        (card[section] if section else card)[inner] = value
    return card


def refusal(name: str | Path, image_size: int | None = None) -> str:
    with pytest.raises(BackboneError) as caught:
        open_backbone(str(name), image_size)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# The shipped one ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def default() -> Network:
    return open_backbone(DEFAULT_BACKBONE).network()


@pytest.fixture(scope="module")
def fruit() -> npt.NDArray[np.uint8]:
    """Eight photos of four fruits, cut as the network wants them."""
    views = [(name, view) for name in ("Banana", "Plum", "Lemon", "Coconut") for view in (0, 3)]
    files = [encoded(_image(render_photo(name, view)), "JPEG") for name, view in views]
    return np.stack([decode(data).pixels for data in files])


def _image(pixels: npt.NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(pixels)


def test_the_default_backbone_is_shipped_with_a_card_that_is_its_own() -> None:
    assert DEFAULT_BACKBONE in shipped_names()
    for name in shipped_names():
        backbone = open_backbone(name)
        card = backbone.card
        assert card.name == name
        assert hashlib.sha256(backbone.model()).hexdigest() == card.sha256
        assert card.license == "Apache-2.0"
        assert backbone.notes == ()
    card = open_backbone(DEFAULT_BACKBONE).card
    assert card.input.framing == Framing(224, (256,))
    assert card.features == 1280


def test_features_are_finite_the_same_again_and_tell_fruit_apart(
    default: Network, fruit: npt.NDArray[np.uint8]
) -> None:
    features = default(fruit)
    assert features.shape == (8, 1280)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()
    assert np.array_equal(features, default(fruit))
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    likeness = unit @ unit.T
    np.fill_diagonal(likeness, -1)
    assert likeness.argmax(axis=1).tolist() == [1, 0, 3, 2, 5, 4, 7, 6]


def test_eight_bits_keep_the_features_of_float32(
    default: Network, fruit: npt.NDArray[np.uint8]
) -> None:
    ours, theirs = default(fruit), open_backbone("efficientnet-lite0").network()(fruit)
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    assert ((ours * theirs).sum(axis=1) / lengths).min() > 0.98


@pytest.mark.parametrize("name", shipped_names())
def test_features_do_not_depend_on_the_threads(name: str, fruit: npt.NDArray[np.uint8]) -> None:
    backbone = open_backbone(name)
    one, two = backbone.network(), backbone.network(threads=2)
    for photo in fruit:
        assert np.array_equal(two(photo[None]), one(photo[None]))


def test_features_do_not_depend_on_the_batch(
    default: Network, fruit: npt.NDArray[np.uint8]
) -> None:
    whole = default(fruit)
    for size in (1, 3):
        parts = [default(fruit[at : at + size]) for at in range(0, 8, size)]
        np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-5)


def test_the_colours_are_not_swapped(default: Network, fruit: npt.NDArray[np.uint8]) -> None:
    """A yellow banana turned blue is further from a lemon: the network is fed RGB."""
    banana, blue, lemon = default(np.stack([fruit[0], fruit[0][..., ::-1], fruit[4]]))
    assert np.linalg.norm(banana - lemon) < np.linalg.norm(blue - lemon)


def test_a_backbone_travels_without_its_model() -> None:
    assert len(pickle.dumps(open_backbone(DEFAULT_BACKBONE))) < 2000


def test_a_damaged_file_is_found_out(tmp_path: Path) -> None:
    content = pooled_floats()
    file = put(tmp_path, content, output__features=3)
    backbone = open_backbone(str(file))
    moved = dataclasses.replace(backbone, file=tmp_path / "other.onnx")
    with pytest.raises(BackboneError, match=r"Cannot read the backbone .*other\.onnx"):
        moved.network()
    (tmp_path / "other.onnx").write_bytes(content[:-1] + b"?")
    with pytest.raises(BackboneError, match=r"other\.onnx is damaged: its SHA-256"):
        moved.network()
    assert "card of another file" in refusal(put(tmp_path, content + b"\0"))


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    said = refusal("resnet")
    assert "'resnet'" in said
    assert DEFAULT_BACKBONE in said
    for name in ("", "../efficientnet-lite0", "EFFICIENTNET-LITE0"):
        assert "No backbone is called" in refusal(name)


# Files of one's own -------------------------------------------------------------------------------


def test_a_float_model_without_card_gets_imagenet_s_usual_input(tmp_path: Path) -> None:
    backbone = open_backbone(str(put(tmp_path, pooled_floats())))
    card = backbone.card
    assert card.input == InputSpec(
        "x", "NCHW", "float32", size=224, views=(256,),
        mean=IMAGENET_MEAN, std=IMAGENET_STD,
    )  # fmt: skip
    assert (card.name, card.output, card.features) == ("net", "y", 3)
    assert len(backbone.notes) == 1
    assert "net.onnx has no card (net.json)" in backbone.notes[0]
    batch = photos(5, 224)
    expected = (batch.mean(axis=(1, 2, 3)) / 255 - IMAGENET_MEAN) / IMAGENET_STD
    features = backbone.network()(batch)
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, expected, atol=1e-4)


def test_a_uint8_model_without_card_takes_pixels_as_they_are(tmp_path: Path) -> None:
    backbone = open_backbone(str(put(tmp_path, pooled_bytes(40))))
    assert backbone.card.input == InputSpec("x", "NHWC", "uint8", size=40, views=(46,))
    batch = photos(3, 40)
    np.testing.assert_allclose(backbone.network()(batch), batch.mean(axis=(1, 2, 3)), rtol=1e-5)


def test_a_card_says_how_to_feed_the_model(tmp_path: Path) -> None:
    file = put(
        tmp_path,
        pooled_floats(32),
        input__resize_shorter_side=40,
        input__color="BGR",
        input__mean=[0.5, 0.4, 0.3],
        input__std=[0.1, 0.2, 0.4],
    )
    backbone = open_backbone(str(file))
    assert backbone.notes == ()
    assert backbone.card.input.framing == Framing(32, (40,))
    batch = photos(3, 32)
    expected = (batch.mean(axis=(1, 2, 3))[:, ::-1] / 255 - [0.5, 0.4, 0.3]) / [0.1, 0.2, 0.4]
    np.testing.assert_allclose(backbone.network()(batch), expected, atol=1e-4)


def test_float_input_without_mean_is_the_share_of_white() -> None:
    batch = np.full((1, 2, 2, 3), 255, np.uint8)
    batch[..., 1] = 0
    assert to_input(batch, InputSpec("x", "NHWC", "float32"))[0, 0, 0].tolist() == [1.0, 0.0, 1.0]


def test_features_are_the_mean_over_the_views(tmp_path: Path) -> None:
    backbone = open_backbone(str(put(tmp_path, pooled_bytes(40))), views=(40, 75))
    rng = np.random.default_rng(1)
    batch = rng.integers(0, 256, (3, 2, 40, 40, 3), dtype=np.uint8)
    features = backbone.network()(batch)
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, batch.mean(axis=(1, 2, 3)), rtol=1e-5)
    assert np.array_equal(features[1:2], backbone.network()(batch[1:2]))


def test_views_are_the_card_s_unless_others_are_given(tmp_path: Path) -> None:
    file = str(put(tmp_path, pooled_floats(), input__views=[224, 420], input__size=224))
    assert open_backbone(file).card.input.framing == Framing(224, (224, 420))
    assert open_backbone(file, 112).card.input.framing == Framing(112, (112, 210))
    assert open_backbone(file, 112, [120]).card.input.framing == Framing(112, (120,))
    assert open_backbone(file, views=[256]).card.input.accurate().views == (224, 336, 560)


@pytest.mark.parametrize("views", [(), (31,), (32, 5000), (32,) * 5])
def test_views_that_fit_no_network_are_refused(tmp_path: Path, views: tuple[int, ...]) -> None:
    file = put(tmp_path, pooled_floats(32))
    with pytest.raises(UsageError, match=r"The views 32/.* cannot be cut"):
        open_backbone(str(file), views=views)


def test_the_order_of_views_is_none(tmp_path: Path) -> None:
    file = str(put(tmp_path, pooled_floats(32)))
    one, other = (open_backbone(file, views=views).card for views in ([60, 32], [32, 60]))
    assert one == other
    assert str(one.input.framing) == "32/32,60"


def test_layouts_keep_rows_rows_and_columns_columns() -> None:
    batch = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)
    assert np.array_equal(to_input(batch, InputSpec("x", "NHWC", "uint8")), batch)
    planes = to_input(batch, InputSpec("x", "NCHW", "uint8"))
    assert planes.shape == (2, 3, 4, 4)
    assert planes.flags.c_contiguous
    for color in range(3):
        assert np.array_equal(planes[:, color], batch[..., color])


def test_image_size_is_taken_where_the_model_takes_any(tmp_path: Path) -> None:
    file = put(tmp_path, pooled_floats())
    spec = open_backbone(str(file), 112).card.input
    assert spec.framing == Framing(112, (128,))  # the crop keeps its share of the photo
    assert open_backbone(str(file), 112).network()(photos(2, 112)).shape == (2, 3)


def test_image_size_is_refused_where_the_model_is_of_one_size(tmp_path: Path) -> None:
    file = put(tmp_path, pooled_floats(32))
    assert open_backbone(str(file)).card.input.size == 32
    assert open_backbone(str(file), 32).card.input.size == 32
    assert "64 × 64" in refusal(file, 64)


@pytest.mark.parametrize(
    "content", [b"", b"no model at all", b"\x89PNG\r\n\x1a\n", bytes(1000), pooled_floats()[:60]]
)
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    assert "net.onnx is not an ONNX model that can be run" in refusal(put(tmp_path, content))


def test_a_file_that_is_not_there_or_is_a_folder(tmp_path: Path) -> None:
    assert "No such backbone file" in refusal(tmp_path / "gone.onnx")
    (tmp_path / "folder.onnx").mkdir()
    assert "Cannot read" in refusal(tmp_path / "folder.onnx")


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        (["n", 10], "not a batch of RGB images"),
        (["n", 1, 32, 32], "not a batch of RGB images"),
        ([3], "not a batch of RGB images"),
        (["n", 3, 32, 48], "not square"),
    ],
)
def test_a_model_whose_input_is_no_image_is_refused(
    tmp_path: Path, shape: list[int | str], said: str
) -> None:
    reply = refusal(put(tmp_path, one_node("Relu", shape, shape)))
    assert said in reply
    assert "net.onnx cannot be a backbone" in reply


def test_a_model_of_whole_numbers_or_of_two_inputs_is_refused(tmp_path: Path) -> None:
    image: list[int | str] = ["n", 3, 32, 32]
    integers = model(
        [Node("Identity", ["x"], ["y"])], [Value("x", INT64, image)], [Value("y", INT64, image)]
    )
    assert "not a batch of RGB images" in refusal(put(tmp_path, integers))
    two = model(
        [Node("Add", ["a", "b"], ["y"])],
        [Value("a", FLOAT, image), Value("b", FLOAT, image)],
        [Value("y", FLOAT, image)],
    )
    assert "2 inputs, not one" in refusal(put(tmp_path, two))


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ([Node("ReduceMean", ["x"], ["y"], {"keepdims": 0})], "no row of numbers per photo"),
        ([Node("ReduceMean", ["x"], ["y"], {"keepdims": 1})], "no row of numbers per photo"),
        (
            [Node("ReduceMean", ["x"], ["y"], {"axes": [0], "keepdims": 1})],
            "no row of numbers per photo",
        ),
        ([Node("Sqrt", ["x"], ["y"])], "not finite"),
        ([Node("Shape", ["x"], ["y"])], "no row of numbers per photo"),
    ],
)
def test_a_model_that_gives_no_features_is_refused(
    tmp_path: Path, nodes: list[Node], said: str
) -> None:
    dtype = INT64 if nodes[0].op == "Shape" else FLOAT
    content = model(nodes, [Value("x", FLOAT, ["n", 3, 16, 16])], [Value("y", dtype, ["any"] * 1)])
    if nodes[0].op in ("Sqrt", "ReduceMean"):
        rank = 0 if nodes[0].attributes.get("keepdims") == 0 else 4
        out: list[int | str] = [f"d{i}" for i in range(rank)]
        content = model(nodes, [Value("x", FLOAT, ["n", 3, 16, 16])], [Value("y", FLOAT, out)])
    assert said in refusal(put(tmp_path, content))


def test_more_dimensions_than_a_row_are_laid_out_as_one(tmp_path: Path) -> None:
    planes = one_node("Relu", ["n", 3, "h", "w"], ["n", 3, "h", "w"])
    file = put(tmp_path, planes, input__size=16, output__features=768)
    assert open_backbone(str(file)).network()(photos(2, 16)).shape == (2, 768)


def test_a_model_of_another_length_than_its_card_says_is_refused(tmp_path: Path) -> None:
    reply = refusal(put(tmp_path, pooled_floats(), output__features=7))
    assert "gives 3 features; its card says 7" in reply


def test_a_model_of_one_photo_a_batch_is_refused(tmp_path: Path) -> None:
    assert "cannot be used" in refusal(put(tmp_path, pooled_floats(32, batch=1)))


@pytest.mark.parametrize("name", ["input__name", "output__name"])
def test_a_card_that_names_what_the_model_lacks_is_refused(tmp_path: Path, name: str) -> None:
    assert "Backbone net" in refusal(put(tmp_path, pooled_floats(), **{name: "z"}))


# Cards --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 2},
        {"format": None},
        {"input": None},
        {"output": []},
        {"input__layout": "HWC"},
        {"input__dtype": "float16"},
        {"input__color": "rgb"},
        {"input__size": 8},
        {"input__size": 0},
        {"input__size": "wide"},
        {"input__size": float("inf")},
        {"input__size": float("nan")},
        {"input__resize_shorter_side": 31},
        {"input__views": []},
        {"input__views": [32, 31]},
        {"input__views": [32] * 5},
        {"input__views": "40"},
        {"input__resize_shorter_side": 100_000},
        {"input__mean": [0.5, 0.5, 0.5]},
        {"input__std": [0.5, 0.5, 0.5]},
        {"input__mean": [0.5, 0.5], "input__std": [1, 1, 1]},
        {"input__mean": ["a", 0, 0], "input__std": [1, 1, 1]},
        {"input__mean": [0, 0, 0], "input__std": [1, 0, 1]},
        {"input__mean": [0, 0, 0], "input__std": [1, -1, 1]},
        {"input__mean": [0, 0, float("nan")], "input__std": [1, 1, 1]},
        {"input__mean": [0, 0, 0], "input__std": [1, 1, float("inf")]},
        {"input__mean": [0, 0, 0], "input__std": [1, 1, 1], "input__dtype": "uint8"},
        {"output__features": "many"},
        {"output__features": None},
    ],
    ids=str,
)
def test_a_card_that_says_nonsense_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    reply = refusal(put(tmp_path, pooled_floats(), **changes))
    assert "net.json is not a backbone card" in reply


@pytest.mark.parametrize("key", ["format", "name", "sha256", "input", "output"])
def test_a_card_that_lacks_something_is_refused(tmp_path: Path, key: str) -> None:
    file = put(tmp_path, pooled_floats())
    card = card_of(pooled_floats())
    del card[key]
    file.with_suffix(".json").write_text(json.dumps(card))
    assert key in refusal(file)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"1", b'"card"', b"\xff\xfe", b"[" * 200_000])
def test_a_card_that_is_no_card_is_refused(tmp_path: Path, text: bytes) -> None:
    file = put(tmp_path, pooled_floats())
    file.with_suffix(".json").write_bytes(text)
    assert "net.json is not a backbone card" in refusal(file)


def test_a_card_that_is_not_there() -> None:
    with pytest.raises(BackboneError, match=r"card is missing: .*gone\.json"):
        Card.read(Path("gone.json"))


@pytest.mark.parametrize(
    ("shape", "dtype", "layout", "size"),
    [
        (["n", 3, "h", "w"], "tensor(float)", "NCHW", 224),
        ([None, 3, 260, 260], "tensor(float)", "NCHW", 260),
        (["n", "h", "w", 3], "tensor(uint8)", "NHWC", 224),
        (["n", 260, "w", 3], "tensor(uint8)", "NHWC", 260),
        ([1, 3, -1, -1], "tensor(float)", "NCHW", 224),
    ],
)
def test_an_input_is_guessed_from_the_graph(
    shape: list[Any], dtype: str, layout: str, size: int
) -> None:
    spec = guessed_input("x", shape, dtype)
    assert (spec.layout, spec.size) == (layout, size)
    assert spec.views == (round(size * 256 / 224),)
    assert (spec.mean is None) == (spec.dtype == "uint8")


def test_a_backbone_is_known_by_its_content(tmp_path: Path) -> None:
    one, two = put(tmp_path, pooled_floats(), "a.onnx"), put(tmp_path, pooled_floats(), "b.onnx")
    assert open_backbone(str(one)).card.sha256 == open_backbone(str(two)).card.sha256
    assert open_backbone(str(one)).file != open_backbone(str(two)).file
    assert isinstance(open_backbone(str(one)), Backbone)


def test_photos_of_any_origin_have_the_shape_that_the_network_takes(tmp_path: Path) -> None:
    backbone = open_backbone(str(put(tmp_path, pooled_floats(48))))
    pixels = decode(encoded(smooth(99, 301), "WEBP"), backbone.card.input.framing).pixels
    assert backbone.network()(pixels[None]).shape == (1, 3)


@pytest.mark.parametrize("side", [15, 1639, 192.5, "192", True])
def test_a_size_for_several_views_that_is_none_is_refused(tmp_path: Path, side: object) -> None:
    file = put(tmp_path, pooled_floats(32), accurate_size=side)
    with pytest.raises(BackboneError, match=f"accurate_size is {side}"):
        open_backbone(str(file))


def test_squares_too_large_for_several_views_are_refused() -> None:
    assert InputSpec("x", "NHWC", "uint8", size=1638).accurate().views == (1638, 2457, 4095)
    with pytest.raises(UsageError, match="squares of up to 1,638 pixels"):
        InputSpec("x", "NHWC", "uint8", size=1639).accurate()
