"""Training with the Python API: from tables and networks to scores and models."""

import numpy as np
import pytest
import pytorch_lightning as pl
import rasterio
import torch
from torch.utils.data import DataLoader

import instageo
from instageo.errors import ConfigError
from instageo.model.networks.checkpoint import read_checkpoint
from instageo.raster.reading import read_raster
from tests.integration.conftest import QUICK, SIDE, write_chips
from tests.integration.library.training import TRAINER, small_network, trained_task

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:pytorch_lightning"),
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning"),  # Lightning with this PyTorch
]


def test_the_whole_path(data, tmp_path, monkeypatch):
    monkeypatch.chdir(data)
    assert "prithvi_eo_v2_300_tl" in instageo.list_models()
    net = small_network(head="light", bands=("BLUE", "GREEN", "RED", "NIR_NARROW", "SWIR_1", "SWIR_2"))
    item = instageo.ChipDataset("train.csv", root_dir=data, bands=list(range(6)), crop_size=16, seed=1)[0]
    assert item["image"].shape == (6, 1, 16, 16)
    dm = instageo.ChipDataModule(train="train.csv", val="valid.csv", root_dir=data, crop_size=SIDE)
    task = instageo.SegmentationTask(net, num_classes=2, loss="cross_entropy", lr=1e-3)
    trainer = pl.Trainer(max_epochs=2, **TRAINER)
    trainer.fit(task, dm)
    assert {"train_loss", "val_loss", "val_mIoU"} <= trainer.callback_metrics.keys()
    instageo.save_model(task, tmp_path / "mine")
    model = instageo.load_model(tmp_path / "mine", device="cpu")
    prediction = model.predict("chips/chip_0.tif")
    prediction.save(tmp_path / "map.tif")
    assert read_raster(tmp_path / "map.tif").values[0].tolist() == prediction.classes.tolist()
    assert prediction.plot().axes
    features = model.encode("chips/chip_0.tif")
    assert features.tokens.shape == (1, 2, 2, 256)
    assert features.class_token.shape == (256,)


def test_training_is_that_of_the_command_line(data, run, tmp_path):
    switched_off = [f"dataloader.augmentations.{name}.use=false" for name in ("hflip", "vflip")]
    status, _, _ = run(
        f"root_dir={data}", "train_filepath=train.csv", "valid_filepath=valid.csv", *QUICK, "model.head=light",
        "dataloader.mean=auto", "dataloader.img_size=32", *switched_off,
    )  # fmt: skip
    assert status == 0
    expected = read_checkpoint(tmp_path / "run")
    task, _, _ = trained_task(data)
    found = read_checkpoint(instageo.save_model(task, tmp_path / "mine"))
    assert found.state.keys() == expected.state.keys()
    assert all(torch.equal(found.state[key], expected.state[key]) for key in expected.state)
    own = {"train.loss"}
    assert {key: value for key, value in found.settings.items() if key not in own} == {
        key: value for key, value in expected.settings.items() if key not in own
    }
    assert found.settings["precision"] == "32-true"
    assert found.metrics == pytest.approx(expected.metrics)


@pytest.mark.parametrize(("precision", "recorded"), [("bf16-mixed", "bf16-mixed"), ("64-true", "auto")])
def test_a_saved_model_records_the_precision_of_the_trainer(precision, recorded):
    task = instageo.SegmentationTask(small_network(), num_classes=2)
    task.trainer = pl.Trainer(precision=precision, **TRAINER)
    task.setup("test")
    assert task.settings.precision == "auto"
    task.setup("fit")
    assert task.settings.precision == recorded


def test_a_task_takes_plain_loaders(data, tmp_path):
    chips = instageo.ChipDataset(data / "train.csv", crop_size=SIDE, statistics="auto")
    whole = instageo.ChipDataset(data / "valid.csv", statistics=(chips.mean, chips.std))
    task = instageo.SegmentationTask(small_network(), num_classes=2)
    pl.Trainer(max_epochs=1, **TRAINER).fit(task, DataLoader(chips, batch_size=2), DataLoader(whole))
    with pytest.raises(ConfigError, match="pass the training data"):
        instageo.save_model(task, tmp_path / "mine")
    assert instageo.load_model(instageo.save_model(task, tmp_path / "mine", data=chips), device="cpu")


def test_testing_and_predicting_with_a_trainer(data):
    task, dm, trainer = trained_task(data)
    dm = instageo.ChipDataModule(
        train=data / "train.csv", val=data / "valid.csv", test=data / "test.csv", crop_size=SIDE
    )
    [scores] = trainer.test(task, dm, verbose=False)
    assert {"test_mIoU", "test_roc_auc"} <= scores.keys()
    [[outputs]] = trainer.predict(task, dm)
    assert outputs.shape == (2, SIDE, SIDE)


def test_class_weights_come_from_the_training_table(data):
    task, dm, _ = trained_task(data, class_weights="inverse")
    counts = np.array(dm.train_data.report.class_counts)
    assert task.settings.train.class_weights == pytest.approx((counts.sum() / (2 * counts)).tolist())


def test_regression(tmp_path):
    data = write_chips(tmp_path / "data", classes=3)
    options = {"is_reg_task": True, "ignore_index": -1}
    dm = instageo.ChipDataModule(train=data / "train.csv", val=data / "valid.csv", crop_size=SIDE, **options)
    task = instageo.RegressionTask(small_network(num_classes=1), loss="mse", lr=1e-3)
    trainer = pl.Trainer(max_epochs=1, **TRAINER)
    trainer.fit(task, dm)
    assert {"val_loss", "val_rmse", "val_r2"} <= trainer.callback_metrics.keys()
    target = dm.train_data.report.label_moments
    assert task.settings.dataloader.label_mean == pytest.approx(float(target.mean[0]))
    model = instageo.load_model(instageo.save_model(task, tmp_path / "mine"), device="cpu")
    prediction = model.predict(data / "chips" / "chip_0.tif")
    prediction.save(tmp_path / "map.tif")
    with rasterio.open(tmp_path / "map.tif") as written:
        assert np.isnan(written.nodata)
    np.testing.assert_array_equal(read_raster(tmp_path / "map.tif").values[0], prediction.values)
    assert len(prediction.plot().axes) == 2  # map and scale of colours


@pytest.mark.parametrize(("multilabel", "labels"), [(False, ["0", "1"]), (True, ["0;1", "-"])])
def test_labels_of_whole_chips(data, tmp_path, multilabel, labels):
    kind = "chip_multi" if multilabel else "chip"
    rows = "".join(f"chips/chip_{number}.tif,{labels[number % 2]}\n" for number in range(4))
    (data / "chips.csv").write_text(f"Input,Label\n{rows}")
    dm = instageo.ChipDataModule(train=data / "chips.csv", val=data / "chips.csv", crop_size=SIDE, label_kind=kind)
    task = instageo.ClassificationTask(small_network(head="pooled"), num_classes=2, multilabel=multilabel)
    trainer = pl.Trainer(max_epochs=1, **TRAINER)
    trainer.fit(task, dm)
    assert task.monitor in trainer.callback_metrics
    model = instageo.load_model(instageo.save_model(task, tmp_path / "mine"), device="cpu")
    assert model.predict(data / "chips" / "chip_0.tif").valid.shape == (1, 1)


def test_chips_of_mixed_sizes_are_validated_one_by_one(data, make_raster):
    first, second = np.zeros((6, 20, 24), np.int16), np.ones((6, 8, 40), np.int16)
    first[:, ::2] = 900
    second[:, ::2] = 700
    for number, values in enumerate((first, second)):
        make_raster(f"data/mixed/{number}.tif", values)
        make_raster(f"data/mixed/{number}_label.tif", (values[0] > 500).astype(np.uint8))
    (data / "mixed.csv").write_text("Input,Label\nmixed/0.tif,mixed/0_label.tif\nmixed/1.tif,mixed/1_label.tif\n")
    dm = instageo.ChipDataModule(train=data / "mixed.csv", val=data / "mixed.csv", crop_size=16, batch_size=2)
    assert [tuple(batch["image"].shape) for batch in dm.val_dataloader()] == [(1, 6, 1, 20, 24), (1, 6, 1, 8, 40)]
    assert next(iter(dm.train_dataloader()))["image"].shape == (2, 6, 1, 16, 16)
    trainer = pl.Trainer(max_epochs=1, **TRAINER)
    trainer.fit(instageo.SegmentationTask(small_network(img_size=16), num_classes=2), dm)
    assert torch.isfinite(trainer.callback_metrics["val_mIoU"])


def test_crops_are_no_larger_than_chips(data):
    dm = instageo.ChipDataModule(train=data / "train.csv", val=data / "valid.csv")
    assert next(iter(dm.train_dataloader()))["image"].shape[-2:] == (SIDE, SIDE)


def test_a_network_that_does_not_fit_the_task_is_refused():
    with pytest.raises(ConfigError, match="has 3 outputs, but the task needs 2"):
        instageo.SegmentationTask(small_network(num_classes=3), num_classes=2)
    with pytest.raises(ConfigError, match="use head='light'"):
        instageo.SegmentationTask(small_network(head="pooled"), num_classes=2)
    with pytest.raises(ConfigError, match=r"train\.loss=dise"):
        instageo.SegmentationTask(small_network(), loss="dise")
    with pytest.raises(TypeError, match="weight_decay"):
        instageo.SegmentationTask(small_network(), weightdecay=1)


@pytest.mark.filterwarnings("ignore:Total length of `list` across ranks is zero")
def test_training_without_a_validation_table(data, tmp_path):
    dm = instageo.ChipDataModule(data / "train.csv", batch_size=2, crop_size=SIDE)
    task = instageo.SegmentationTask(small_network(), num_classes=2, lr=1e-3)
    trainer = pl.Trainer(max_epochs=1, **TRAINER)
    trainer.fit(task, dm)
    assert trainer.callback_metrics.keys() == {"train_loss"}
    instageo.save_model(task, tmp_path / "mine")
    assert instageo.load_model(tmp_path / "mine", device="cpu").predict(data / "chips/chip_0.tif").classes.shape
    with pytest.raises(ConfigError, match="there is no val table; pass val="):
        trainer.validate(task, dm)
