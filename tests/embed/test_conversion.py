"""`verger backbones export` of ONNX files: same features, eight bits, and what is refused."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from onnx_bytes import FLOAT, Node, Value, model, one_node, pooled_bytes, pooled_floats
from verger.cli.main import cli
from verger.demo.render import render_photo
from verger.embed import open_backbone
from verger.embed.backbone import shipped_names
from verger.embed.conversion import Exported, export
from verger.embed.conversion.fidelity import check_same, drawn_photos, kept
from verger.embed.conversion.weights import rounded
from verger.errors import BackboneError, PhotosError, UsageError, VergerError
from verger.machine.extras import install_line
from verger.progress import Silent
from verger.settings import DEFAULT_BACKBONE

if TYPE_CHECKING:
    import numpy.typing as npt

SIDE = 32


def network(
    layout: str = "NCHW", *, mean: float | None = None, map_last: bool = False, pooled: bool = False
) -> bytes:
    """Return a small mobile network with random weights: stem, depthwise, projection, residual."""
    rng, helper = np.random.default_rng(0), onnx.helper
    nodes, stored = [], []

    def constant(name: str, values: npt.NDArray[Any]) -> str:
        stored.append(onnx.numpy_helper.from_array(values.astype(np.float32), name))
        return name

    def conv(name: str, given: str, outputs: int, inputs: int, side: int, group: int = 1) -> str:
        weights = rng.normal(0, (inputs * side**2) ** -0.5, (outputs, inputs, side, side))
        sizes = [constant(f"{name}.w", weights), constant(f"{name}.b", rng.normal(0, 0.1, outputs))]
        pads = [side // 2] * 4
        nodes.append(helper.make_node("Conv", [given, *sizes], [name], group=group, pads=pads))
        return name

    def clipped(given: str) -> str:
        bounds = [constant(f"{given}.low", np.array(0)), constant(f"{given}.high", np.array(6))]
        nodes.append(helper.make_node("Clip", [given, *bounds], [f"{given}.clip"]))
        return f"{given}.clip"

    kind, given = onnx.TensorProto.FLOAT, "x"
    shape: list[int | str] = ["n", 3, SIDE, SIDE] if layout == "NCHW" else ["n", SIDE, SIDE, 3]
    if layout == "NHWC":
        if mean is not None:
            kind = onnx.TensorProto.UINT8
        nodes.append(helper.make_node("Transpose", [given], ["planes"], perm=[0, 3, 1, 2]))
        given = "planes"
    if mean is not None:
        spread = constant("spread", np.array(128.0))
        nodes.append(helper.make_node("Cast", [given], ["floats"], to=onnx.TensorProto.FLOAT))
        nodes.append(
            helper.make_node("Sub", ["floats", constant("mean", np.array(mean))], ["zero"])
        )
        nodes.append(helper.make_node("Div", ["zero", spread], ["one"]))
        given = "one"
    stem = clipped(conv("stem", given, 16, 3, 3))
    deep = clipped(conv("deep", stem, 16, 1, 3, group=16))
    thin = conv("thin", deep, 16, 16, 1)
    nodes.append(helper.make_node("Add", [thin, stem], ["sum"]))
    last = clipped(conv("wide", "sum", 64, 16, 1))
    out: list[int | str] = ["n", 64, SIDE, SIDE]
    if map_last:
        nodes.append(helper.make_node("Transpose", [last], ["y"], perm=[0, 2, 3, 1]))
        out = ["n", SIDE, SIDE, 64]
    elif pooled:
        nodes.append(helper.make_node("ReduceMean", [last], ["y"], axes=[2, 3], keepdims=0))
        out = ["n", 64]
    else:
        nodes[-1].output[0] = "y"
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, out)],
        stored,
    )
    opsets = [helper.make_opsetid("", 17)]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())


def put(folder: Path, content: bytes, name: str = "net.onnx") -> Path:
    file = folder / name
    file.write_bytes(content)
    return file


def exported(source: str | Path, output: Path, **options: Any) -> Exported:
    return export(str(source), output, Silent(), **options)


def refusal(error: type[VergerError], source: str | Path, output: Path, **options: Any) -> str:
    before = sorted(output.parent.iterdir()) if output.parent.is_dir() else []
    with pytest.raises(error) as caught:
        exported(source, output, **options)
    after = sorted(output.parent.iterdir()) if output.parent.is_dir() else []
    assert after == before  # nothing half-made is left
    return str(caught.value)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty photos, and a file that is none."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("photos")
    for name in ("Banana", "Plum", "Lemon", "Coconut", "Apple Golden"):
        for view in range(6):
            Image.fromarray(render_photo(name, view)).save(folder / f"{name} {view}.png")
    (folder / "broken.jpg").write_bytes(b"no photo")
    return folder


# Same features ------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "features"),
    [
        (pooled_floats(), 3),
        (pooled_bytes(40), 3),
        *(
            pytest.param(*more, marks=pytest.mark.slow)
            for more in (
                (pooled_floats(SIDE), 3),
                (network(), 64),
                (network("NHWC"), 64),
                (network(map_last=True), 64),
                (network("NHWC", mean=127.0, pooled=True), 64),
            )
        ),
    ],
    ids=["any side", "bytes", "planes", "map", "channels last", "map last", "ready"],
)
def test_what_is_written_takes_photos_and_gives_the_same_features(
    tmp_path: Path, content: bytes, features: int
) -> None:
    file = put(tmp_path, content)
    made = exported(file, tmp_path / "out.onnx")
    original, ours = open_backbone(str(file)), open_backbone(str(made.file))
    spec = ours.card.input
    assert (spec.layout, spec.dtype, spec.color, spec.mean, spec.std) == (
        "NHWC", "uint8", "RGB", None, None
    )  # fmt: skip
    assert spec.framing == original.card.input.framing
    assert ours.card.features == features
    assert ours.notes == ()  # it has a card
    batch = drawn_photos(5, spec.size)
    theirs = original.network().output(batch)
    if theirs.ndim == 4:
        theirs = theirs.mean(axis=(2, 3) if theirs.shape[1] == features else (1, 2))
    np.testing.assert_allclose(
        ours.network().output(batch), theirs, atol=1e-4 * max(1, theirs.max())
    )


@pytest.mark.slow
def test_the_order_of_colours_and_the_normalisation_of_the_card_go_into_the_graph(
    tmp_path: Path,
) -> None:
    file = put(tmp_path, pooled_floats(SIDE))
    card = open_backbone(str(file)).card.as_record()
    card["input"] |= {"color": "BGR", "mean": [0.5, 0.4, 0.3], "std": [0.1, 0.2, 0.4]}
    card["license"] = "MIT"
    file.with_suffix(".json").write_text(json.dumps(card))
    made = exported(file, tmp_path / "out.onnx")
    assert made.card.license == "MIT"
    batch = drawn_photos(3, SIDE)
    wanted = (batch.mean(axis=(1, 2))[:, ::-1] / 255 - [0.5, 0.4, 0.3]) / [0.1, 0.2, 0.4]
    np.testing.assert_allclose(
        open_backbone(str(made.file)).network().output(batch), wanted, atol=1e-4
    )


@pytest.mark.slow
def test_another_side_is_written_into_the_graph(tmp_path: Path) -> None:
    made = exported(put(tmp_path, pooled_floats()), tmp_path / "out.onnx", image_size=64)
    assert made.card.input.size == 64
    with pytest.raises(BackboneError, match="cannot be used on photos of 32"):
        open_backbone(str(made.file), 32)


@pytest.mark.slow
def test_of_several_outputs_the_first_is_taken_or_that_of_the_card(tmp_path: Path) -> None:
    image: list[int | str] = ["n", 3, "h", "w"]
    content = model(
        [Node("ReduceMean", ["x"], ["y"], {"axes": [2, 3], "keepdims": 0}),
         Node("Neg", ["x"], ["z"])],
        [Value("x", FLOAT, image)],
        [Value("y", FLOAT, ["n", 3]), Value("z", FLOAT, image)],
    )  # fmt: skip
    file = put(tmp_path, content)
    first = exported(file, tmp_path / "first.onnx").file
    card = open_backbone(str(file)).card.as_record()
    card["output"] = {"name": "z", "features": 0}
    file.with_suffix(".json").write_text(json.dumps(card))
    second = exported(file, tmp_path / "second.onnx").file
    batch = drawn_photos(3, 224)
    ours, negative = (open_backbone(str(one)).network().output(batch) for one in (first, second))
    np.testing.assert_allclose(ours, -negative, atol=1e-4)
    assert [len(onnx.load(one).graph.output) for one in (first, second)] == [1, 1]


@pytest.mark.slow
@pytest.mark.parametrize("kind", [onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE])
@pytest.mark.parametrize("whole", [True, False])
def test_features_of_other_numbers_become_float32(
    tmp_path: Path, kind: int, *, whole: bool
) -> None:
    image: list[int | str] = ["n", 3, SIDE, SIDE]
    nodes = [Node("Cast", ["x"], ["y"], {"to": kind})]
    if not whole:
        nodes = [Node("ReduceMean", ["x"], ["row"], {"axes": [2, 3], "keepdims": 0}),
                 Node("Cast", ["row"], ["y"], {"to": kind})]  # fmt: skip
    out: list[int | str] = image if whole else ["n", 3]
    content = model(nodes, [Value("x", FLOAT, image)], [Value("y", kind, out)])
    made = exported(put(tmp_path, content), tmp_path / "out.onnx")
    row = open_backbone(str(made.file)).network().output(drawn_photos(2, SIDE))
    assert row.dtype == np.float32
    assert row.shape == (2, 3)


def test_a_network_for_one_photo_at_a_time_is_refused(tmp_path: Path) -> None:
    said = refusal(BackboneError, put(tmp_path, pooled_floats(SIDE, 1)), tmp_path / "out.onnx")
    assert "cannot be used" in said


@pytest.mark.slow
def test_names_of_the_graph_that_are_ours_too_are_no_trouble(tmp_path: Path) -> None:
    content = network()
    net = onnx.load_from_string(content)
    for node in net.graph.node:
        node.input[:] = ["images" if name == "x" else name for name in node.input]
        node.output[:] = ["features" if name == "y" else name for name in node.output]
    net.graph.input[0].name, net.graph.output[0].name = "images", "features"
    made = exported(put(tmp_path, net.SerializeToString()), tmp_path / "out.onnx")
    assert made.card.features == 64


def test_a_network_that_gives_other_features_is_not_taken_for_the_same() -> None:
    features = np.ones((2, 3), np.float32)
    assert check_same("net", features, features) == 0
    for other in (features + 0.01, features[:, :2], np.full_like(features, np.nan)):
        with pytest.raises(BackboneError, match="not the network it was made from"):
            check_same("net", other, features)


# Eight bits ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_eight_bits_keep_the_features_and_the_card_says_how_well(
    tmp_path: Path, photos: Path
) -> None:
    file = put(tmp_path, network("NHWC", mean=127.0, pooled=True))
    made = exported(file, tmp_path / "out.onnx", int8=str(photos))
    assert made.notes[-1] == f"Photos of {photos} left out because they cannot be read: 1."
    lost = made.card.loses
    assert lost is not None
    assert lost.measured_on == "13 photos that it was not calibrated on"
    assert lost.mean_cosine > 0.999
    assert lost.least_cosine > 0.99
    assert made.card.speed is not None
    assert open_backbone(str(made.file)).card == made.card
    by = json.loads(made.file.with_suffix(".json").read_text())["quantized"]["calibrated_on"]
    assert by["place"] == photos.name
    assert len(set(by["photos"])) == 30 - 13
    assert all((photos / name).is_file() for name in by["photos"])
    ops = [node.op_type for node in onnx.load(made.file).graph.node]
    assert not {"Clip", "Cast", "Sub", "Div"} & set(ops)  # all inside the quantised ranges
    batch = drawn_photos(6, SIDE)
    ours, original = (open_backbone(str(f)).network().output(batch) for f in (made.file, file))
    assert kept(ours, original).least_cosine > 0.99
    assert not np.array_equal(ours, original)


@pytest.mark.slow
def test_eight_bits_of_colours_with_a_normalisation_each(tmp_path: Path, photos: Path) -> None:
    made = exported(put(tmp_path, network()), tmp_path / "out.onnx", int8=str(photos))
    assert made.card.loses is not None
    assert made.card.loses.mean_cosine > 0.99


@pytest.mark.slow
def test_no_sum_of_products_saturates(tmp_path: Path, photos: Path) -> None:
    """White photos and large weights of one sign: the integers give what floats would."""
    net = onnx.load_from_string(network("NHWC", mean=0.0, pooled=True))
    for tensor in net.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.ndim == 4:
            large = np.abs(values).max() * (0.9 + 0.1 * np.abs(np.sin(np.arange(values.size))))
            tensor.CopyFrom(
                onnx.numpy_helper.from_array(
                    large.reshape(values.shape).astype(np.float32), tensor.name
                )
            )
        if tensor.name.endswith(".high"):
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.array(1e4, np.float32), tensor.name))
    made = exported(put(tmp_path, net.SerializeToString()), tmp_path / "out.onnx", int8=str(photos))
    white = np.full((2, SIDE, SIDE, 3), 255, np.uint8)
    integers = open_backbone(str(made.file)).network().output(white)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(made.file.read_bytes(), options)
    (floats,) = session.run(None, {made.card.input.name: white})
    np.testing.assert_allclose(integers, floats, rtol=0.01)


@given(
    arrays.arrays(
        np.float64, st.tuples(st.integers(1, 4), st.integers(1, 9)), elements=st.floats(-9, 9)
    )
)
@settings(max_examples=200, deadline=None)
def test_weights_are_near_their_grid_and_spare_pairs(rows: npt.NDArray[np.float64]) -> None:
    whole, scale = rounded(rows, in_pairs=False)
    assert np.abs(whole.astype(int)).max(initial=0) <= 127
    assert (np.abs(whole * scale[:, None] - rows) <= 0.51 * scale[:, None] + 1e-9).all()
    whole, scale = rounded(rows, in_pairs=True)
    numbers = whole.astype(int)
    even = numbers.shape[1] // 2 * 2
    first, second = numbers[:, 0:even:2], numbers[:, 1:even:2]
    assert (np.abs(first + second)[first * second > 0] <= 128).all()
    assert (np.abs(whole * scale[:, None] - rows) <= 1.1 * np.abs(rows).max() + 1e-9).all()


@pytest.mark.slow
def test_photos_to_quantise_by_that_are_none_or_too_few(tmp_path: Path, photos: Path) -> None:
    file = put(tmp_path, pooled_floats(SIDE))
    (tmp_path / "empty").mkdir()
    few = tmp_path / "few"
    few.mkdir()
    for name in ("Banana 0.png", "broken.jpg"):
        (few / name).write_bytes((photos / name).read_bytes())
    out = tmp_path / "out.onnx"
    assert "1 photo in" in refusal(PhotosError, file, out, int8=str(few))
    assert "0 photos in" in refusal(PhotosError, file, out, int8=str(tmp_path / "empty"))
    assert "gone" in refusal(PhotosError, file, out, int8=str(tmp_path / "gone"))


# What is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"no model", bytes(1000), network()[:500]])
def test_a_file_that_is_no_model(tmp_path: Path, content: bytes) -> None:
    said = refusal(BackboneError, put(tmp_path, content), tmp_path / "out.onnx")
    assert "is not an ONNX model that can be run" in said


def test_models_that_cannot_be_a_backbone(tmp_path: Path) -> None:
    image: list[int | str] = ["n", 3, SIDE, SIDE]
    two = model(
        [Node("Add", ["a", "b"], ["y"])],
        [Value("a", FLOAT, image), Value("b", FLOAT, image)],
        [Value("y", FLOAT, image)],
    )
    out = tmp_path / "out.onnx"
    assert "2 inputs, not one" in refusal(BackboneError, put(tmp_path, two), out)
    flat = one_node("Relu", ["n", 10], ["n", 10])
    assert "not a batch of RGB images" in refusal(BackboneError, put(tmp_path, flat), out)
    tokens = model(
        [Node("ReduceMean", ["x"], ["y"], {"axes": [1], "keepdims": 0})],
        [Value("x", FLOAT, image)],
        [Value("y", FLOAT, ["n", SIDE, SIDE])],
    )
    assert "neither a row nor a square map" in refusal(BackboneError, put(tmp_path, tokens), out)


@pytest.mark.slow
def test_files_that_are_there_are_kept_unless_told(tmp_path: Path) -> None:
    file, out = put(tmp_path, pooled_floats(SIDE)), tmp_path / "out.onnx"
    for name in ("out.json", "out.onnx"):
        (tmp_path / name).write_text("mine")
        assert f"{name} exists" in refusal(UsageError, file, out)
        assert (tmp_path / name).read_text() == "mine"
        if name == "out.json":
            (tmp_path / name).unlink()
    exported(file, out, overwrite=True)
    assert open_backbone(str(out)).card.features == 3
    assert "net.onnx exists" in refusal(UsageError, file, file)


def test_places_and_sources_that_cannot_be(tmp_path: Path) -> None:
    file, out = put(tmp_path, pooled_floats()), tmp_path / "out.onnx"
    assert "must end in .onnx" in refusal(UsageError, file, tmp_path / "out.bin")
    assert "no folder" in refusal(UsageError, file, tmp_path / "gone" / "out.onnx")
    assert "nothing that can be exported" in refusal(UsageError, "resnet18", out)
    assert "No such backbone file" in refusal(BackboneError, tmp_path / "gone.onnx", out)
    assert "goes from 32" in refusal(UsageError, file, out, image_size=8)
    assert "FILE.pth" in refusal(UsageError, file, out, architecture="resnet18")
    assert "FILE.pth" in refusal(UsageError, file, out, pixels="127/128")


@pytest.mark.parametrize(
    "wrong", ["127", "a/b", "1,2/3", "127/0", "127/-1", "nan/1", "1/2/3", "1/inf", "1,2,3,4/1"]
)
def test_pixels_that_are_none_are_refused(tmp_path: Path, wrong: str) -> None:
    weights = put(tmp_path, b"", "weights.pth")
    said = refusal(UsageError, weights, tmp_path / "out.onnx", pixels=wrong)
    assert "is not a mean and a standard deviation" in said


def test_networks_of_torch_need_torch_and_the_refusal_says_how_to_get_it(tmp_path: Path) -> None:
    if importlib.util.find_spec("torch") is not None:
        said = refusal(BackboneError, "timm:no_such_network", tmp_path / "out.onnx")
        assert "timm knows no network" in said
        return
    for source in ("timm:resnet18", put(tmp_path, b"", "weights.pth")):
        said = refusal(UsageError, source, tmp_path / "out.onnx", image_size=None)
        assert said.endswith(f"not installed. Install: {install_line('export')}")


@pytest.mark.parametrize("name", ["gone.pth", "gone.onnx"])
def test_a_file_that_is_not_there_is_told_before_a_library_that_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for library in ("onnx", "torch", "timm"):
        monkeypatch.setitem(sys.modules, library, None)
    said = refusal(BackboneError, tmp_path / name, tmp_path / "out.onnx")
    assert said == f"No such backbone file: {tmp_path / name}"


@pytest.mark.slow
def test_what_is_known_of_a_network_goes_on_to_what_is_made_of_it(
    tmp_path: Path, photos: Path
) -> None:
    first = exported(put(tmp_path, network()), tmp_path / "first.onnx").card
    file = tmp_path / "first.json"
    known = {"trained_on": "fruit", "source": {"package": "theirs"}, "speed": 3.25}
    sized = {"accurate_size": 16}  # what is made takes one side only
    file.write_text(json.dumps(json.loads(file.read_text()) | known | sized))

    again = exported(tmp_path / "first.onnx", tmp_path / "again.onnx").card
    made_of = {"package": "theirs", "made_of": "first", "sha256": first.sha256}
    assert (again.trained_on, again.source, again.speed) == ("fruit", made_of, 3.25)
    assert again.accurate_size is None
    assert open_backbone(str(tmp_path / "again.onnx")).card == again

    eight = exported(tmp_path / "first.onnx", tmp_path / "eight.onnx", int8=str(photos)).card
    assert (eight.trained_on, eight.source) == ("fruit", made_of)
    assert eight.speed != 3.25  # of another network: measured


# The commands -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_list_says_what_the_cards_say(tmp_path: Path, photos: Path) -> None:
    file = put(tmp_path, network("NHWC", mean=127.0, pooled=True))
    runner = CliRunner()
    line = ["backbones", "export", str(file), "--output", str(tmp_path / "out.onnx")]
    ran = runner.invoke(cli, [*line, "--int8", str(photos)])
    assert ran.exit_code == 0, ran.output
    assert "Checked: features of the float32 network are the same." in ran.output
    assert "in whole numbers of 8 bits." in ran.output.lower()
    said = refusal(UsageError, tmp_path / "out.onnx", tmp_path / "2.onnx", int8=str(photos))
    assert "in eight bits already" in said
    (tmp_path / "bad.onnx").write_text("no model")
    ran = runner.invoke(cli, ["backbones", "--folder", str(tmp_path)])
    assert ran.exit_code == 0, ran.output
    lines = ran.output.splitlines()
    assert [line for line in lines if "(default)" in line] == [f"{DEFAULT_BACKBONE} (default)"]
    assert "1,280 features, views 224/256, licence Apache-2.0" in lines[1]
    assert any("cannot be used" in line and "bad.onnx" in line for line in lines)
    assert any("int8: cosine of features" in line and "13 photos" in line for line in lines)
    cards = json.loads(runner.invoke(cli, ["backbones", "--json"]).output)
    assert [card["name"] for card in cards] == shipped_names()
