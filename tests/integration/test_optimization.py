"""Optimisation in whole runs: schedules, averaged and clipped weights, and exact resuming."""

import csv
import math

import pytest
import torch
from pytorch_lightning import Callback

from instageo.errors import DataError
from instageo.model.training.callbacks import ema, factory
from tests.integration.conftest import QUICK

TABLES = ["train_filepath=train.csv", "valid_filepath=valid.csv"]
BEST, LAST = "instageo_best_checkpoint.ckpt", "last.ckpt"
OPTIONS = {
    "constant": ["train.scheduler=constant", "train.warmup_epochs=2.5"],
    "cosine": ["train.scheduler=cosine", "train.warmup_epochs=0.5", "train.gradient_clip_val=0.1"],
    "one_cycle": ["train.scheduler=one_cycle"],
    "plateau": ["train.scheduler=plateau", "train.plateau_patience=1", "train.learning_rate=1e-5"],
    "ema": ["train.scheduler=cosine", "train.ema_decay=0.9"],
    "all": [
        "train.scheduler=plateau", "train.plateau_patience=1", "train.ema_decay=0.6", "train.accumulate_grad_batches=3",
        "train.batch_size=1", "model.weight_clip_range=[-1.2,1.2]", "dataloader.augmentations.noise.use=true",
    ],
}  # fmt: skip


def content(folder, name):
    return torch.load(folder / name, weights_only=True)


def state(folder, name):
    return content(folder, name)["state_dict"]


def history(folder):
    with open(folder / "history.csv", encoding="utf-8") as file:
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]


def same(one, other):
    return list(one) == list(other) and all(torch.equal(one[key], other[key]) for key in one)


class Interrupt(Callback):
    """Ends a run within its third epoch."""

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.current_epoch == 2 and batch_idx == 1:
            raise DataError("interrupted")


@pytest.mark.parametrize("name", OPTIONS)
def test_a_resumed_run_gives_the_same_as_an_uninterrupted_one(name, data, run, tmp_path, monkeypatch):  # pitfall 31
    command = [f"root_dir={data}", *TABLES, *QUICK, "train.num_epochs=5", *OPTIONS[name]]
    assert run(*command, folder="whole")[0] == 0
    with monkeypatch.context() as patch:
        build = factory.build_callbacks
        patch.setattr(factory, "build_callbacks", lambda *args, **options: [Interrupt(), *build(*args, **options)])
        status, _, err = run(*command, folder="resumed")
        assert status == 1
        assert "interrupted" in err
    status, _, err = run(*command, "train.resume=true", folder="resumed")
    assert status == 0, err
    assert "after epoch 2 of 5" in err
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    assert history(whole) == history(resumed)
    assert len({row["learning_rate"] for row in history(whole)}) > 1
    for file in (BEST, LAST):
        assert same(state(whole, file), state(resumed, file))
    assert (whole / "metrics.json").read_text() == (resumed / "metrics.json").read_text()
    if name in ("ema", "all"):
        one, other = (content(folder, LAST)["callbacks"]["EMACallback"] for folder in (whole, resumed))
        assert one.pop("swapped_in") is other.pop("swapped_in") is True
        assert same(one.pop("stored"), other.pop("stored"))
        assert one == other


def test_the_best_checkpoint_is_a_plain_file_of_the_averaged_weights(data, run, tmp_path, monkeypatch):  # pitfall 30
    """Two steps of an average that starts from the first weights: it keeps 0.1, then 2/11, of itself."""
    recorded = []

    class RecordingCallback(ema.EMACallback):
        def on_fit_start(self, trainer, pl_module):
            super().on_fit_start(trainer, pl_module)
            self.record()

        def on_train_batch_end(self, trainer, pl_module, *given):
            self.record()
            super().on_train_batch_end(trainer, pl_module, *given)

        def record(self):
            recorded.append({f"net.{key}": tensor.detach().clone() for key, tensor in self._network.items()})

    monkeypatch.setattr(factory, "EMACallback", RecordingCallback)
    status, _, err = run(f"root_dir={data}", *TABLES, *QUICK, "train.ema_decay=0.999")
    assert status == 0, err
    folder = tmp_path / "run"
    before, first, second = recorded
    best, last = state(folder, BEST), state(folder, LAST)
    assert same(best, last)
    for key, weight in second.items():
        once = before[key].lerp(first[key], 0.9)
        torch.testing.assert_close(best[key], once.lerp(weight, 9 / 11))
    callback_states = content(folder, LAST)["callbacks"]
    (stored,) = (own["stored"] for name, own in callback_states.items() if name.endswith("RecordingCallback"))
    assert all(torch.equal(stored[key.removeprefix("net.")], weight) for key, weight in second.items())
    counters = [key for key in best if key.endswith("num_batches_tracked")]
    assert counters
    assert {int(best[key]) for key in counters} == {2}
    assert {key.split(".")[1] for key in best} == {"prithvi_encoder", "segmentation_head"}
    common = [f"root_dir={data}", "test_filepath=valid.csv", f"checkpoint_path={folder}"]
    assert run("mode=eval", *common, folder="scored")[0] == 0
    assert (tmp_path / "scored" / "metrics.json").read_text() == (folder / "metrics.json").read_text()
    assert float(history(folder)[0]["val_mIoU"]) == pytest.approx(
        content(folder, BEST)["instageo"]["metrics"]["val_mIoU"]
    )


@pytest.mark.parametrize("clip", ["null", "0.5"])
def test_half_precision_works_with_and_without_gradient_clipping(clip, data, run, tmp_path):
    """With a scaled loss Lightning cannot clip gradients for the fused optimiser."""
    status, _, err = run(f"root_dir={data}", *TABLES, *QUICK, "precision=16-mixed", f"train.gradient_clip_val={clip}")
    assert status == 0, err
    groups = content(tmp_path / "run", LAST)["optimizer_states"][0]["param_groups"]
    assert {bool(group["fused"]) for group in groups} == {clip == "null"}


def test_schedules_count_optimizer_steps(data, run, tmp_path):
    """Four batches of one chip, three to a step: two steps an epoch, the second from the one batch left."""
    more = ["train.batch_size=1", "train.accumulate_grad_batches=3", "train.num_epochs=2", "train.scheduler=cosine"]
    assert run(f"root_dir={data}", *TABLES, *QUICK, *more)[0] == 0
    stored = content(tmp_path / "run", LAST)
    assert stored["global_step"] == 4
    assert stored["lr_schedulers"][0]["last_epoch"] == 4
    third = 0.5 * 0.001 * (1 + math.cos(5 / 8 * math.pi))  # the middle of the third of four steps
    assert float(history(tmp_path / "run")[0]["learning_rate"]) == pytest.approx(third)


def test_weights_stay_in_the_clip_range(data, run, tmp_path):  # pitfall 25
    status, _, err = run(f"root_dir={data}", *TABLES, *QUICK, "model.weight_clip_range=[-0.02,1]")
    assert status == 0, err
    trained = [value for key, value in state(tmp_path / "run", BEST).items() if key.endswith(("weight", "bias"))]
    assert all(value.min() >= -0.02 and value.max() <= 1 for value in trained)
    assert min(value.min() for value in trained).item() == pytest.approx(-0.02)
    status, _, err = run(f"root_dir={data}", *TABLES, *QUICK, "model.weight_clip_range=[1,-1]")
    assert (status, err.count("\n")) == (1, 1)
    assert "model.weight_clip_range=[1.0, -1.0] does not work; expected null, or [low, high] with low below high" in err
