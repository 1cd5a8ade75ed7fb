"""The command `instageo export`, its defaults, and exports in a registry."""

import json
import os
import subprocess
import sys

import onnx
import pystac
import pytest
from stac_model.input import ModelInput
from stac_model.output import ModelOutput

from instageo.errors import RegistryError
from instageo.model.publishing.publish import PushRequest, push
from instageo.model.registry.local_models import pull
from instageo.model.registry.names import parse_name
from instageo.model.registry.registry import open_registry

pytest.importorskip("onnxruntime", reason="the extra `export` is not installed")

QUANTIZE = """
import sys, threading
import numpy as np, torch
opened = []
sys.addaudithook(lambda event, _: opened.append(event) if event in ("socket.connect", "socket.getaddrinfo") else None)
from instageo.model.graphs.openvino_graph import convert_program
from instageo.model.graphs.program import trace
from instageo.model.graphs.quantization import quantize_openvino

net = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 2, 3))
model = convert_program(trace(net, [torch.zeros(2, 1, 8, 8)]), {"image": (1, 8, 8)})
quantize_openvino(model, [{"image": np.ones((1, 1, 8, 8), np.float32)}])
for thread in threading.enumerate():
    if thread is not threading.current_thread() and type(thread).__name__ != "TMonitor":  # tqdm's never ends
        thread.join(20)
print("connections:", opened)
"""


def test_quantisation_opens_no_connection_and_writes_nothing_into_the_home_folder(tmp_path):
    pytest.importorskip("nncf", reason="the extra `export` is not installed")
    env = {name: value for name, value in os.environ.items() if name != "CI"} | {"HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", QUANTIZE], env=env, capture_output=True, text=True, timeout=600)
    assert "connections: []" in done.stdout, done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore")
def test_a_run_is_exported_published_and_pulled(instageo, trained, tmp_path):
    _, run = trained
    status, out, err = instageo("export", str(run), "--format", "onnx", "--location=10,20")
    assert status == 1
    assert "date, location: the model takes no dates and location; remove them" in err
    status, out, err = instageo("export", str(run), "--format", "onnx")
    assert status == 0, err
    assert "wrote " in out
    assert "classes agree on 100.0000% of 1 chip" in out  # of the run's own validation table
    exports = run / "exports"
    try:
        url, name = f"{tmp_path / 'registry'}/registry.yaml", "floods/tiny"
        request = PushRequest(name, title="Floods", new=True, classes=("land", "water"), licence="Apache-2.0")
        _, version = push(run, url, request)
        exported = f"exports/{run.name}_f32.onnx"
        assert {exported, "exports/export.json"} <= set(version.files)
        status, out, _ = instageo("registry", "show", "floods", "--registry", url, "--json")
        shown = json.loads(out)["sizes"]["tiny"]["versions"][0]["exports"]
        assert shown[exported]["gate"]["agreement"] == 1
        folder = tmp_path / "registry" / version.folder
        item = pystac.Item.from_dict(json.loads((folder / "item.json").read_text()))
        fields = item.assets[exported].extra_fields
        assert fields["mlm:artifact_type"] == "torch.onnx.export"
        assert ModelInput.model_validate(fields["mlm:input"][0]).input.shape == [-1, 6, 1, 32, 32]
        assert ModelOutput.model_validate(fields["mlm:output"][0]).result.shape == [-1, 2, 32, 32]
        local = pull(open_registry(url), parse_name(name), tmp_path / "models")
        assert (local.folder / exported).read_bytes() == (run / exported).read_bytes()
        assert local.find_problems() == []
        (run / exported).write_bytes(b"changed")
        with pytest.raises(RegistryError, match="is missing, or was changed since it was exported; export it again"):
            push(run, url, request)
    finally:
        for path in exports.iterdir():
            path.unlink()
        exports.rmdir()


@pytest.mark.filterwarnings("ignore")
def test_the_mode_writes_what_the_command_writes(instageo, trained, run, tmp_path):
    data, source = trained
    status, _, err = instageo(
        "export", source, "-f", "onnx", "-o", tmp_path / "a", "--name", "net", "--table", data / "train.csv",
        "--opset", 17, "--logits",
    )  # fmt: skip
    assert status == 0, err
    options = ["format=onnx", f"output={tmp_path / 'b'}", "name=net", f"table={data / 'train.csv'}", "opset=17"]
    keys = [f"export.{option}" for option in (*options, "logits=true")]
    status, _, err = run("mode=export", f"checkpoint_path={source}", "logger=none", *keys)
    assert status == 0, err
    assert f"wrote {tmp_path / 'b' / 'net_f32.onnx'}" in err
    graphs = [onnx.load(tmp_path / folder / "net_f32.onnx").graph.SerializeToString() for folder in "ab"]
    assert graphs[0] == graphs[1]
    records = [json.loads((tmp_path / folder / "export.json").read_text()) for folder in "ab"]
    entries = [record["exports"]["net_f32.onnx"] for record in records]
    for entry in entries:
        for key in ("created", "files"):  # whose metadata has the time
            del entry[key]
    assert entries[0] == entries[1]
    assert records[0]["model"] == records[1]["model"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "mode=export needs export.format; add export.format=… to the command"),
        (["export.format=onxx"], "format=onxx is unknown; choose one of onnx, openvino, pt2, deepness; did you mean"),
        (["export.format=onnx", "export.precision=int8"], "precision=int8 is not possible with format=onnx"),
        (["export.format=onnx", "export.lat_lon=[100,0]"], "lat_lon="),
    ],
)
def test_what_the_mode_cannot_write(run, trained, options, sentence):
    status, _, err = run("mode=export", f"checkpoint_path={trained[1]}", *options)
    assert status == 1
    assert sentence in err
