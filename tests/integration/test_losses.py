"""Losses on the command line: a sum with a user-defined loss trains; mistakes are reported before data are read."""

import json
import shutil

import numpy as np
import pytest
import torch

from instageo.errors import RegistryError
from instageo.model.losses import factory
from instageo.model.publishing.version_metadata import read_publishable_run
from tests.integration.conftest import QUICK
from tests.integration.test_bad_input import TABLES, one_sentence

OWN = """
import torch


class Constant(torch.nn.Module):
    def __init__(self, value, class_weights):
        super().__init__()
        self.register_buffer("value", value * class_weights.sum())

    def forward(self, outputs, label):
        return outputs.sum() * 0 + self.value
"""


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["train.loss=focall"], "package.module:NAME; did you mean focal?"),
        (["train.loss={dice: 1, mse: 1}"], "train.loss=mse is for continuous values, but this task has classes"),
        (["train.loss={focal: {gama: 1}}"], "got an unexpected keyword argument 'gama'; it takes gamma"),
        (["train.loss=absent.py:Loss"], "train.loss=absent.py:Loss names no Python file"),
        (["train.loss=jaccard", "train.label_smoothing=0.1"], "train.label_smoothing=0.1 is for cross_entropy"),
        (["train.label_smoothing=1"], "train.label_smoothing=1.0 does not work; expected 0 or more, below 1"),
    ],
)
def test_mistakes_are_reported_before_data_are_read(overrides, words, data, run, tmp_path):  # pitfall 37
    (data / "chips" / "chip_0.tif").write_text("not a raster")
    assert words in one_sentence(run(f"root_dir={data}", *TABLES, *QUICK, *overrides))
    assert not list((tmp_path / "run").glob("broken_rows*"))


def test_a_sum_of_losses_trains_and_only_the_same_sum_is_resumed(data, run, tmp_path):  # pitfall 30
    """The user-defined loss adds 100 x (1 + 3); cross-entropy and Dice of two classes begin near 0.7 and 0.5."""
    own = tmp_path / "own.py"
    own.write_text(OWN)
    loss = f"train.loss={{cross_entropy: 1, dice: 0.5, {own}\\:Constant: {{value: 100}}}}"
    command = [f"root_dir={data}", *TABLES, *QUICK, "train.class_weights=[1,3]", "train.label_smoothing=0.1"]
    status, _, err = run(*command, loss)
    assert status == 0, err
    folder = tmp_path / "run"
    rows = np.genfromtxt(folder / "history.csv", delimiter=",", names=True)
    assert 400.3 < float(rows["train_loss"]) < 403
    assert 0 < json.loads((folder / "metrics.json").read_text())["mIoU"] <= 1
    checkpoint = torch.load(folder / "last.ckpt", weights_only=True)
    assert checkpoint["instageo"]["run"]["train.loss"][f"{own}:Constant"] == {"value": 100}
    resumed = ["train.num_epochs=2", f"train.resume={folder}"]
    sentence = one_sentence(run(*command, *resumed, "train.loss=dice", "train.label_smoothing=0", folder="other"))
    assert "its run has train.loss={'cross_entropy': 1" in sentence
    status, _, err = run(*command, *resumed, loss)
    assert status == 0, err
    assert len((folder / "history.csv").read_text().splitlines()) == 3


@pytest.mark.parametrize(
    "loss", [{"subprocess:run": {"args": "x"}}, "os:system", "own.py:Constant", {"dice": 1, "a.b:C": {"x": 1}}]
)
def test_code_that_a_checkpoint_names_is_not_run(trained, run, tmp_path, monkeypatch, loss):
    data, folder = trained
    monkeypatch.setattr(factory, "load_user_code", lambda *_: pytest.fail("code was loaded"))
    shutil.copytree(folder, tmp_path / "foreign")
    path = tmp_path / "foreign" / "instageo_best_checkpoint.ckpt"
    content = torch.load(path, weights_only=True)
    for part in ("settings", "run"):
        content["instageo"][part]["train.loss"] = loss
    torch.save(content, path)
    tables = [f"root_dir={data}", *TABLES, f"checkpoint_path={path.parent}"]
    sentence = one_sentence(run(*tables, *QUICK))
    assert f"{path}: was trained with train.loss=" in sentence
    assert "a checkpoint may not choose code to run; pass train.loss" in sentence
    status, _, err = run(*tables, *QUICK, "train.loss=dice", folder="typed")
    assert status == 0, err
    status, _, err = run(
        f"root_dir={data}", "test_filepath=test.csv", "mode=eval", f"checkpoint_path={path}", folder="eval"
    )
    assert status == 0, err
    with pytest.raises(RegistryError, match="a published model may not name code"):
        read_publishable_run(path.parent)
