"""`instageo export`: five kinds of networks in all formats, compared on real chips, and what is refused."""

import json
from functools import cache

import numpy as np
import onnx
import pytest
import torch
from torch import nn

import instageo
from instageo.errors import CheckpointError, ConfigError, WriteError
from instageo.model.exports.formats import EXPORT_FORMATS
from instageo.model.exports.from_settings import export_graph_from_settings
from instageo.model.exports.openvino_format import load_openvino
from instageo.model.exports.request import build_request
from instageo.raster.reading import read_raster
from instageo.table import read_table, write_table
from tests.disks import file_size_limit
from tests.integration.conftest import write_chips

pytest.importorskip("onnxruntime", reason="the extra `export` is not installed")
openvino = pytest.importorskip("openvino", reason="the extra `export` is not installed")
onnxruntime = pytest.importorskip("onnxruntime")


def chip_level(folder):
    """Replace the label files of the tables by one class for each chip."""
    for name in ("train", "valid"):
        rows = read_table(folder / f"{name}.csv", folder, need_label=True)
        write_table(folder / f"{name}.csv", [{"Input": row.name, "Label": i % 3} for i, row in enumerate(rows)])


def save(base, model_name, *, kind="segmentation", num_dates=1, **options):
    """Save a network of random weights with the statistics of chips, and return it loaded with its data's folder."""
    data = write_chips(base / "data", num_dates=num_dates, count=7)
    torch.manual_seed(0)
    classes = {"segmentation": 2, "chips": 3, "regression": 1}[kind]
    net = instageo.build_network(model_name, num_classes=classes, temporal_dim=num_dates, img_size=32, **options)
    how = {"temporal_dim": num_dates, "statistics": "auto"}
    if kind == "chips":
        chip_level(data)
        how |= {"label_kind": "chip", "num_classes": 3}
    if kind == "regression":
        how |= {"is_reg_task": True, "use_log_scale": True}
    dataset = instageo.ChipDataset(data / "train.csv", **how)
    model = net
    if kind == "regression":
        model = instageo.RegressionTask(net, label_statistics=(0.3, 0.4), use_log_scale=True)
    folder = base / "floods"
    instageo.save_model(model, folder, data=dataset, metrics={"val_mIoU": 0.5})
    return instageo.load_model(folder, device="cpu"), data


KINDS = {
    "v1_100 of three dates": {"model_name": "prithvi_eo_v1_100", "num_dates": 3, "depth": 1},
    "tiny with coordinates": {"model_name": "prithvi_eo_v2_tiny_tl", "depth": 1},
    "regression on a log scale": {"model_name": "prithvi_eo_tiny", "kind": "regression", "depth": 1},
    "convolutional": {"model_name": "conv_micro"},
    "classes of chips": {"model_name": "prithvi_eo_tiny", "kind": "chips", "head": "pooled", "depth": 1},
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Networks by kind, each made once and loaded, with the folder of its chips."""
    return cache(lambda kind: save(tmp_path_factory.mktemp("saved"), **KINDS[kind]))


@pytest.fixture
def tiny(saved):
    """A network with coordinates, and the folder of its chips."""
    return saved("tiny with coordinates")


@pytest.mark.filterwarnings("ignore")  # of packages that convert graphs
@pytest.mark.parametrize("kind", KINDS)
def test_networks_of_all_kinds_pass_in_onnx_runtime_and_openvino(saved, kind):
    options = KINDS[kind]
    model, data = saved(kind)
    report = model.export(format="onnx", table=data / "train.csv")
    assert report.path == data.parent / "floods" / "exports" / "floods_f32.onnx"
    gate = report.record["gate"]
    assert gate["agreement"] >= 0.999
    assert gate["chips"] == 5
    assert gate["score"]["export"] == pytest.approx(gate["score"]["network"], abs=1e-4)
    assert gate.get("largest_probability_difference", 0) < 1e-4
    assert gate.get("relative_to_spread", 0) < 1e-3
    names = ["image", "time", "location"] if "_tl" in options["model_name"] else ["image"]
    assert [each["name"] for each in report.record["mlm:input"]] == names
    session = onnxruntime.InferenceSession(report.path)
    assert [port.name for port in session.get_inputs()] == names
    assert session.get_inputs()[0].shape[0] == "batch"
    assert b"stack_trace" not in report.path.read_bytes()
    by_openvino = model.export(format="openvino", table=data / "train.csv")
    assert by_openvino.record["gate"]["agreement"] >= 0.999
    record = json.loads((report.path.parent / "export.json").read_text())
    assert set(record["exports"]) == {"floods_f32.onnx", "floods_f32.xml"}
    assert record["exports"]["floods_f32.xml"]["files"].keys() == {"floods_f32.xml", "floods_f32.bin"}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("format", ["onnx", "openvino"])
@pytest.mark.parametrize("size", ["300", "600_tl"])
def test_large_networks_pass_with_one_block(tmp_path, size, format):
    """Of 1024 and 1280 channels, with patches of 16 and 14 pixels, with and without coordinates."""
    model, data = save(tmp_path, f"prithvi_eo_v2_{size}", depth=1)
    weights = 4 * sum(parameter.numel() for parameter in model.net.parameters())
    report = model.export(format=format, table=data / "train.csv")
    assert report.record["gate"]["agreement"] == 1
    assert report.record["gate"]["largest_probability_difference"] < 1e-5
    assert sum(path.stat().st_size for path in report.files) == pytest.approx(weights, rel=0.05)


@pytest.mark.filterwarnings("ignore")
def test_an_archive_of_pytorch_runs_without_this_program(tiny, tmp_path):
    model, data = tiny
    report = model.export(tmp_path, format="pt2", table=data / "train.csv", dates="2024-03-05", lat_lon=(10, 20))
    extra = {"instageo.json": ""}
    program = torch.export.load(report.path, extra_files=extra)
    assert json.loads(extra["instageo.json"])["fixed_coordinates"] == [[2024.0, 65.0], [10.0, 20.0]]
    chip = model.read(data / "chips" / "chip_0.tif", [], None)[0]
    predicted = model.predict(data / "chips" / "chip_0.tif", dates=["2024-03-05"], lat_lon=(10, 20))
    pixels = torch.where(chip.valid, chip.image, -9999.0)[None]  # as the file stores them
    probabilities = program.module()(pixels)[0].detach().numpy()
    observed = predicted.valid
    np.testing.assert_allclose(probabilities[:, observed], predicted.probabilities[:, observed], atol=1e-6)


@pytest.mark.filterwarnings("ignore")
def test_int8_is_calibrated_with_real_chips(tiny, tmp_path):
    pytest.importorskip("nncf", reason="the extra `export` is not installed")
    model, _ = tiny
    data = write_chips(tmp_path / "more", count=24)
    report = model.export(
        tmp_path / "out", format="openvino", precision="int8", table=data / "train.csv", calibration=data / "chips"
    )
    assert report.path.name == "floods_int8.xml"
    assert report.record["calibration_tiles"] == 24
    assert report.record["gate"]["agreement"] >= 0.99
    weights = sum(parameter.numel() for parameter in model.net.parameters())
    assert report.files[1].stat().st_size < 0.5 * 4 * weights
    with pytest.raises(ConfigError, match=r"calibration=.*train.csv: has 5 windows of 32 pixels; expected at least 20"):
        model.export(
            tmp_path / "few", format="openvino", precision="int8", table=data / "train.csv",
            calibration=tiny[1] / "train.csv",
        )  # fmt: skip
    assert not (tmp_path / "few").exists()


class OtherwiseInGraphs(nn.Module):
    """A head that gives other outputs where it is traced."""

    image_level = False

    def __init__(self, head):
        super().__init__()
        self.head = head

    def forward(self, features):
        outputs = self.head(features)
        return outputs.flip(1) if torch.compiler.is_compiling() else outputs


@pytest.fixture(scope="module")
def otherwise(tmp_path_factory):
    """A network whose graph differs from it, and the folder of its chips."""
    model, data = save(tmp_path_factory.mktemp("otherwise"), "prithvi_eo_tiny", depth=1)
    model.net.segmentation_head = OtherwiseInGraphs(model.net.segmentation_head)
    return model, data


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("format", EXPORT_FORMATS)
def test_a_file_that_differs_from_its_network_is_refused_and_nothing_is_left(otherwise, tmp_path, format, caplog):
    model, data = otherwise
    with pytest.raises(ConfigError, match=r"floods_f32.*: is refused, .*: classes agree on .*, expected at least"):
        model.export(tmp_path / "new" / "out", format=format, table=data / "train.csv")
    assert not (tmp_path / "new").exists()
    assert ("classes agree" in caplog.text) == (format == "openvino")  # it is tried in another way
    assert "nothing was written" not in caplog.text


@pytest.mark.filterwarnings("ignore")
def test_deepness_maps_as_chip_inference_does(small_network, tmp_path, run):
    """The plugin's arithmetic: pixels / 255, tiles that overlap, of which the inner part is kept."""
    side, tile = 160, 64
    data = write_chips(tmp_path / "data", count=4, side=side)
    model = instageo.load_model(small_network, device="cpu")
    report = model.export(tmp_path / "qgis", format="deepness", table=data / "train.csv", tile=tile)
    exported = onnx.load(report.path)
    assert (exported.ir_version, exported.opset_import[0].version) == (8, 17)
    metadata = {entry.key: json.loads(entry.value) for entry in exported.metadata_props}
    assert metadata["model_type"] == "Segmentor"
    assert metadata["class_names"] == {"0": "0", "1": "1"}
    assert (metadata["resolution"], metadata["tile_size"], metadata["seg_thresh"]) == (3000, tile, 0)
    assert "standardization_mean" not in metadata
    assert "set the input channels in this order: 1 BLUE, 2 GREEN, 3 RED" in report.files[1].read_text()

    arguments = [f"root_dir={data}", "test_filepath=test.csv", f"checkpoint_path={small_network}"]
    assert run("mode=chip_inference", *arguments, f"test.crop_size={tile}", "accelerator=cpu")[0] == 0
    expected = read_raster(next((tmp_path / "run" / "predictions").rglob("*.tif"))).values[0]
    session = onnxruntime.InferenceSession(report.path)
    [port] = session.get_inputs()
    assert port.shape[1:] == [6, tile, tile]
    pixels = read_raster(data / "chips" / "chip_3.tif").values.astype(np.float32)
    overlap = tile * metadata["tiles_overlap"] // 100
    classes, tiles_of = np.zeros((side, side), int), np.zeros((side, side), int)
    starts = range(0, side - overlap, tile - overlap)
    for top in starts:
        for left in starts:
            window = (slice(top, top + tile), slice(left, left + tile))
            outputs = session.run(None, {port.name: (pixels[:, *window] / 255)[None]})[0]
            cut = overlap // 2
            kept = slice(cut if top else 0, tile), slice(cut if left else 0, tile)  # later tiles cover the end
            inside = (
                slice(window[0].start + kept[0].start, top + tile),
                slice(window[1].start + kept[1].start, left + tile),
            )
            classes[inside] = outputs[0].argmax(0)[kept]
            tiles_of[window] += 1
    inner = (tiles_of == 1) & (expected != 255)
    assert inner.mean() > 0.5
    assert (classes == expected)[inner].mean() >= 0.999
    assert 0.02 < expected[inner].mean() < 0.98


@pytest.mark.parametrize("format", ["openvino", "pt2"])  # the others write as pt2 does
def test_a_full_disk_is_said_in_a_sentence_and_nothing_is_left(saved, tmp_path, format):
    model, _ = saved("convolutional")
    with (
        file_size_limit(100_000),
        pytest.raises(WriteError, match=r"out/floods_f32.*: cannot be written: .*(ulimit -f|free some disk space)"),
    ):
        model.export(tmp_path / "out", format=format, gate=False, resolution=30)
    assert not (tmp_path / "out").exists()


def test_files_can_be_written_without_a_comparison(tiny, tmp_path):
    model, _ = tiny
    left = tmp_path / ".export-of-a-killed-process"
    left.mkdir()
    (left / ".lock").touch()
    report = model.export(tmp_path, format="pt2", gate=False, normalized_input=True, logits=True, name="net")
    assert report.path.name == "net_f32.pt2"
    assert report.record["gate"] == "none"
    assert report.summary == "not compared with the network"
    assert {path.name for path in tmp_path.iterdir()} == {"net_f32.pt2", "export.json", ".lock"}


@pytest.mark.parametrize("named", ["file", "folder"])
def test_an_export_is_not_loaded_as_a_model(tiny, tmp_path, named):
    model, _ = tiny
    path = model.export(tmp_path / "out", format="pt2", gate=False).path
    source = path if named == "file" else path.parent
    with pytest.raises(
        CheckpointError, match=f"^{source}: holds a network for other programs, .*; name the checkpoint"
    ):
        instageo.load_model(source)


def test_deepness_asks_for_the_resolution_before_chips(saved, tmp_path):
    model, _ = saved("convolutional")
    for gate in (False, True):
        with pytest.raises(ConfigError, match=r"give resolution \(--resolution\), metres per pixel, or such chips"):
            model.export(tmp_path / "out", format="deepness", gate=gate)
    assert not (tmp_path / "out").exists()


@pytest.mark.filterwarnings("ignore")
def test_normalised_input_and_logits(tiny, tmp_path):
    model, data = tiny
    report = model.export(
        tmp_path, format="onnx", table=data / "train.csv", normalized_input=True, logits=True, opset=17
    )
    assert report.record["gate"]["agreement"] == 1
    assert (report.record["input"], report.record["output"]) == ("normalised", "logits")
    assert onnx.load(report.path).opset_import[0].version == 17


def test_wrong_requests_are_refused_in_a_sentence(tiny, tmp_path, monkeypatch):
    model, data = tiny
    table = {"table": data / "train.csv"}
    for options, sentence in (
        ({"format": "onx", **table}, "format=onx is unknown; .*; did you mean onnx"),
        (
            {"format": "onnx", "precision": "int8", **table},
            "precision=int8 is not possible .*; choose format=openvino",
        ),
        ({"format": "onnx", "precision": "bf16", **table}, "bf16 needs no export"),
        ({"format": "onnx", "tile": 64, **table}, "tile=64 does not work: the largest chips of .* are 32 x 32 pixels"),
        ({"format": "onnx", "opset": 9, **table}, "opset=9 does not work; expected 17 to 23"),
        ({"format": "deepness", "logits": True, **table}, "format=deepness: .*; remove normalized_input and logits"),
        ({"format": "onnx", "dates": ["2024-01-01"] * 2, **table}, "date: 2 are given; expected one"),
        ({"format": "onnx", "calibration": data}, "calibration: chips are used for precision=int8 alone"),
        ({"format": "onnx", "table": tmp_path}, f"{tmp_path}: has no chips"),
        ({"format": "onnx"}, "an export is compared with the network on real chips, .* give table"),
        ({"format": "onnx", "table": data / "no.csv"}, "table '.*no.csv' does not exist"),
    ):
        with pytest.raises(instageo.InstaGeoError, match=sentence):
            model.export(tmp_path / "out", **options)
        assert not (tmp_path / "out").exists()
    with pytest.raises(TypeError, match="unknown option tiles; the options are calibration, "):
        model.export(tmp_path, format="onnx", tiles=1)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "export.json").write_text('{"model": {"source": "a.ckpt", "sha256": "0"}, "exports": {}}')
    with pytest.raises(ConfigError, match=r"other: holds exports of another model, a.ckpt; choose another folder"):
        model.export(tmp_path / "other", format="pt2", **table)


@pytest.mark.filterwarnings("ignore")
def test_openvino_goes_by_way_of_onnx_where_its_own_conversion_is_wrong(tmp_path):
    model, data = save(tmp_path, "prithvi_eo_tiny", depth=1, head="upernet")
    report = model.export(tmp_path / "out", format="openvino", table=data / "train.csv")
    assert report.record["gate"]["agreement"] >= 0.999
    request = build_request(str(tmp_path / "floods"), None, "openvino", None, {})
    graph = export_graph_from_settings(model, request)
    image = np.zeros((2, 6, 1, 32, 32), np.float32)
    assert load_openvino(report.path)({"image": image}).shape == (2, graph.num_outputs, 32, 32)
