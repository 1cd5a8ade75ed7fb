"""Every way of fine-tuning trains the right parameters and writes a usual checkpoint."""

import json
import os
import shutil
import sys

import numpy as np
import pytest
import torch

from instageo import load_model
from instageo.model import build_network
from instageo.model.heads.factory import HEADS
from instageo.model.run import main
from tests.integration.conftest import QUICK, SIDE, write_chips

TABLES = ["train_filepath=train.csv", "valid_filepath=valid.csv"]
TWO = [*QUICK, "model.head=linear", "model.depth=2"]
LORA = [*TWO, "model.lora_rank=2", "model.lora_targets=[qkv,fc1]", "model.lora_dropout=0.1", "train.scheduler=constant"]
ENCODER = "net.prithvi_encoder."
BEST, LAST = "instageo_best_checkpoint.ckpt", "last.ckpt"


def state(folder, name=LAST):
    """The state dict of a checkpoint."""
    return torch.load(folder / name, weights_only=True)["state_dict"]


def fresh(**options):
    """The state dict that a run of TWO starts from, with the keys of a checkpoint."""
    torch.manual_seed(42)
    net = build_network(
        "prithvi_eo_tiny", **{"num_classes": 2, "img_size": SIDE, "depth": 2, "head": "linear"} | options
    )
    return {f"net.{key}": value for key, value in net.state_dict().items()}


def trained_parts(folder, name=LAST):
    """The parts of the encoder that differ from the start, by block."""
    start, end = fresh(), state(folder, name)
    changed = {key.removeprefix(ENCODER) for key in start if not torch.equal(start[key], end[key])}
    parts = {".".join(key.split(".")[:2]) if key.startswith("blocks") else key.split(".")[0] for key in changed}
    return {part for part in parts if not part.startswith("net")}


def history(folder):
    """The history without the column of seconds."""
    lines = [line.split(",") for line in (folder / "history.csv").read_text().splitlines()]
    return [line[:1] + line[2:] for line in lines]


WAYS = {
    "model.freeze_backbone=true": set(),
    "model.train_last_blocks=1": {"blocks.1", "norm"},
    "train.layer_decay=0.5": {"blocks.0", "blocks.1", "norm", "cls_token", "patch_embed"},
    "model.drop_path=0.5": {"blocks.0", "blocks.1", "norm", "cls_token", "patch_embed"},
    "model.lora_rank=2": {"blocks.0", "blocks.1"},
}


@pytest.mark.parametrize("way", WAYS)
def test_only_the_chosen_parts_are_trained_and_the_checkpoint_has_the_same_scores(way, data, run, tmp_path):
    status, _, err = run(f"root_dir={data}", *TABLES, *TWO, way)
    assert status == 0, err
    folder = tmp_path / "run"
    assert trained_parts(folder, BEST) == WAYS[way]
    assert (folder / "history.csv").is_file()
    status, _, err = run("mode=eval", f"root_dir={data}", "test_filepath=valid.csv", f"checkpoint_path={folder}",
                         folder="scored")  # fmt: skip
    assert status == 0, err
    assert (tmp_path / "scored" / "metrics.json").read_text() == (folder / "metrics.json").read_text()


def test_each_level_has_its_own_learning_rate(data, run, tmp_path):
    """The first step of Adam moves a weight by the learning rate, for any gradient."""
    chosen = [*TWO, "train.layer_decay=0.1", "train.batch_size=8", "train.weight_decay=0", "train.scheduler=constant"]
    status, _, err = run(f"root_dir={data}", *TABLES, *chosen, "train.learning_rate=0.01")
    assert status == 0, err
    start, end = fresh(), state(tmp_path / "run")
    moved = {key: float((end[key] - start[key]).abs().median()) for key in start}
    rates = {"net.segmentation_head.classify.weight": 1e-2, f"{ENCODER}blocks.1.mlp.fc2.weight": 1e-3,
             f"{ENCODER}blocks.0.mlp.fc2.weight": 1e-4, f"{ENCODER}patch_embed.proj.weight": 1e-5}  # fmt: skip
    assert {key: moved[key] for key in rates} == pytest.approx(rates, rel=0.05)


def test_gradient_checkpointing_changes_nothing_but_memory(data, run, tmp_path):
    chosen = [f"root_dir={data}", *TABLES, *TWO, "model.drop_path=0.5"]
    for name, more in {"plain": [], "checkpointed": ["model.gradient_checkpointing=true"]}.items():
        assert run(*chosen, *more, folder=name)[0] == 0
    assert history(tmp_path / "plain") == history(tmp_path / "checkpointed")
    plain, checkpointed = state(tmp_path / "plain"), state(tmp_path / "checkpointed")
    for key, value in plain.items():
        torch.testing.assert_close(value, checkpointed[key])


@pytest.mark.parametrize("head", [head for head in HEADS if head != "pooled"])  # which is for image-level labels
def test_every_head_trains_scores_and_maps(head, data, run, tmp_path):  # pitfall 28
    status, _, err = run(f"root_dir={data}", *TABLES, *QUICK, f"model.head={head}")
    assert status == 0, err
    common = [f"root_dir={data}", "test_filepath=valid.csv", f"checkpoint_path={tmp_path / 'run'}"]
    assert run("mode=eval", *common, folder="scored")[0] == 0
    assert (tmp_path / "scored" / "metrics.json").read_text() == (tmp_path / "run" / "metrics.json").read_text()
    assert run("mode=chip_inference", *common, folder="mapped")[0] == 0
    assert len(list((tmp_path / "mapped" / "predictions" / "chips").glob("*.tif"))) == 1


@pytest.fixture(scope="session")
def adapted(tmp_path_factory):
    """A data folder, and the run folder of two uninterrupted epochs with LoRA."""
    base = tmp_path_factory.mktemp("adapted")
    data = write_chips(base / "data")
    assert main([f"root_dir={data}", *TABLES, *LORA, "train.num_epochs=2", f"hydra.run.dir={base / 'run'}"]) == 0
    return data, base / "run"


def test_the_best_checkpoint_of_a_lora_run_has_plain_weights(adapted):  # pitfall 30
    _, folder = adapted
    best, start = state(folder, BEST), fresh()
    assert {key: value.shape for key, value in best.items()} == {key: value.shape for key, value in start.items()}
    changed = {key.removeprefix(ENCODER) for key in start if not torch.equal(start[key], best[key])}
    layers = {f"blocks.{block}.{layer}.weight" for block in (0, 1) for layer in ("attn.qkv", "mlp.fc1")}
    assert changed == layers | {f"net.segmentation_head.classify.{part}" for part in ("weight", "bias")}
    for layer in layers:
        change = best[ENCODER + layer] - start[ENCODER + layer]
        assert torch.linalg.matrix_rank(change[:16, :16], rtol=1e-3) == 2
    assert any(".lora_A." in key for key in state(folder, LAST))  # from which training resumes


def test_a_model_trained_with_lora_needs_no_peft(adapted, run, tmp_path, monkeypatch):  # pitfall 37
    data, folder = adapted
    monkeypatch.setitem(sys.modules, "peft", None)
    assert load_model(folder).predict(data / "chips" / "chip_5.tif").valid.any()
    common = [f"root_dir={data}", "test_filepath=valid.csv", f"checkpoint_path={folder}"]
    assert run("mode=eval", *common)[0] == 0
    assert (tmp_path / "run" / "metrics.json").read_text() == (folder / "metrics.json").read_text()


def test_a_resumed_lora_run_equals_an_uninterrupted_one(adapted, run, tmp_path):  # pitfall 31
    data, folder = adapted
    chosen = [f"root_dir={data}", *TABLES, *LORA]
    assert run(*chosen, "train.num_epochs=1")[0] == 0
    status, _, err = run(*chosen, "train.num_epochs=2", "train.resume=true")
    assert status == 0, err
    assert "after epoch 1 of 2" in err
    resumed = tmp_path / "run"
    assert history(resumed) == history(folder)
    for name in (BEST, LAST):
        expected, actual = state(folder, name), state(resumed, name)
        assert list(expected) == list(actual)
        assert all(torch.equal(expected[key], actual[key]) for key in expected)
    assert (resumed / "metrics.json").read_text() == (folder / "metrics.json").read_text()


def test_a_run_without_lora_does_not_resume_one_with_it(adapted, run, tmp_path):
    data, folder = adapted
    shutil.copytree(folder, tmp_path / "copy")
    chosen = [f"root_dir={data}", *TABLES, *LORA, "model.lora_rank=null", "train.num_epochs=3"]
    status, _, err = run(*chosen, f"train.resume={tmp_path / 'copy'}")
    assert status == 1
    assert "its run has model.lora_rank=2, but you passed model.lora_rank=None" in err


def test_a_run_starts_from_the_merged_weights_of_another(adapted, run, tmp_path):
    data, folder = adapted
    chosen = [f"root_dir={data}", *TABLES, *LORA, f"checkpoint_path={folder}", "train.learning_rate=1e-12"]
    status, _, err = run(*chosen)
    assert status == 0, err
    first, second = state(folder, BEST), state(tmp_path / "run", BEST)
    for key, value in first.items():
        torch.testing.assert_close(second[key], value)


@pytest.mark.skipif(not shutil.which(os.environ.get("CXX", "g++")), reason="torch.compile needs a C++ compiler")
@pytest.mark.filterwarnings("ignore")  # from PyTorch's own compiler
def test_a_compiled_network_trains_and_writes_plain_keys(data, run, tmp_path):
    status, _, err = run(f"root_dir={data}", *TABLES, *TWO, "compile=true")
    assert status == 0, err
    assert run(f"root_dir={data}", *TABLES, *TWO, folder="plain")[0] == 0
    compiled, plain = state(tmp_path / "run", BEST), state(tmp_path / "plain", BEST)
    assert list(compiled) == list(plain)
    scores = [json.loads((tmp_path / name / "metrics.json").read_text())["mIoU"] for name in ("run", "plain")]
    np.testing.assert_allclose(*scores, atol=0.02)
