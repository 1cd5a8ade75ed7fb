"""The Python API from end to end: data, networks and training of one's own, and models that every command takes."""

import json
from datetime import date

import numpy as np
import pandas
import pytest
import pytorch_lightning as pl
import rasterio
import torch
from torch.utils.data import DataLoader

import instageo
from instageo.errors import ConfigError, DataError, TableError, WeightsError
from instageo.model.dataset.table_dataset import sample_from_dict, sample_to_dict
from instageo.model.networks.checkpoint import read_checkpoint
from instageo.model.networks.interop import build_network_with_decoder, sample_from_torchgeo, sample_to_torchgeo
from instageo.raster.reading import read_raster
from tests.integration.conftest import QUICK, SIDE, write_chips

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:pytorch_lightning"),
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning"),  # Lightning with this PyTorch
]

TRAINER = {
    "accelerator": "cpu", "logger": False, "enable_progress_bar": False, "enable_model_summary": False,
    "enable_checkpointing": False, "log_every_n_steps": 1,
}  # fmt: skip


def small_network(**options):
    settings = {"num_classes": 2, "depth": 1, "img_size": SIDE}
    return instageo.build_network("prithvi_eo_tiny", **(settings | options))


def trained_task(data, epochs=1, **options):
    torch.manual_seed(42)
    net = small_network()
    dm = instageo.ChipDataModule(train=data / "train.csv", val=data / "valid.csv", batch_size=2, crop_size=SIDE)
    task = instageo.SegmentationTask(net, num_classes=2, loss="cross_entropy", lr=1e-3, **options)
    trainer = pl.Trainer(max_epochs=epochs, **TRAINER)
    trainer.fit(task, dm)
    return task, dm, trainer


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


def test_a_saved_model_predicts_as_the_network_of_the_task(data, tmp_path):
    task, dm, _ = trained_task(data)
    instageo.save_model(task, tmp_path / "mine")
    model = instageo.load_model(tmp_path / "mine", device="cpu")
    task.eval()
    for index in range(len(dm.val_data)):
        item = dm.val_data[index]
        with torch.no_grad():
            logits = task.net(item["image"][None], item["temporal_coords"][None], item["location_coords"][None])[0]
        prediction = model.predict(dm.val_data.report.rows[index].input)
        inside = item["valid"].any(0).numpy()
        np.testing.assert_allclose(
            prediction.probabilities[:, inside], logits.softmax(0).numpy()[:, inside], rtol=1e-4, atol=1e-6
        )


def test_commands_take_a_saved_model(data, run, tmp_path):
    task, _, _ = trained_task(data, class_names=["dry", "water"])
    mine = instageo.save_model(task, tmp_path / "mine")
    common = [f"root_dir={data}", "test_filepath=test.csv", f"checkpoint_path={mine}", "accelerator=cpu"]
    status, _, errors = run("mode=eval", *common, folder="eval")
    assert status == 0, errors
    assert json.loads((tmp_path / "eval" / "metrics.json").read_text())["per_class"].keys() == {"dry", "water"}
    status, _, errors = run("mode=chip_inference", *common, f"output_dir={tmp_path / 'maps'}", folder="maps_run")
    assert status == 0, errors
    [written] = (tmp_path / "maps").rglob("*.tif")
    own = tmp_path / "own.tif"
    instageo.load_model(mine, device="cpu").predict(data / "chips" / "chip_5.tif").save(own)
    assert own.read_bytes() == written.read_bytes()


def test_a_saved_model_replaces_all_of_an_earlier_one(data, tmp_path):
    task, _, _ = trained_task(data)
    mine = tmp_path / "mine"
    mine.mkdir()
    for name in ("metrics.json", "metrics.csv", "run.json", "last.ckpt", "history.csv", "notes.txt"):
        (mine / name).write_text("old")
    instageo.save_model(task, mine)
    assert sorted(path.name for path in mine.iterdir()) == [".hydra", "instageo_best_checkpoint.ckpt", "notes.txt"]


def test_a_saved_model_can_be_published(data, tmp_path):
    from instageo.model.runs.publish import PushRequest, push

    task, _, _ = trained_task(data, class_names=["dry", "water"])
    folder = instageo.save_model(task, tmp_path / "mine").parent
    model, version = push(
        folder, str(tmp_path / "registry" / "registry.yaml"), PushRequest("floods/tiny", licence="MIT", new=True)
    )
    assert model.key == "floods"
    assert "instageo_best_checkpoint.ckpt" in version.files


def test_a_loop_of_ones_own(data, tmp_path):
    chips = instageo.ChipDataset(data / "train.csv", crop_size=SIDE, statistics="auto")
    loader = DataLoader(chips, batch_size=2, shuffle=True)
    net = small_network()
    optimizer, criterion = torch.optim.AdamW(net.parameters(), lr=1e-3), torch.nn.CrossEntropyLoss(ignore_index=-1)
    losses = []
    for epoch in range(3):
        chips.set_epoch(epoch)
        for batch in loader:
            loss = criterion(net(batch["image"], batch["temporal_coords"], batch["location_coords"]), batch["label"])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert losses[-1] < losses[0]
    instageo.save_model(net, tmp_path / "mine", data=chips, metrics={"val_mIoU": 0.9})
    model = instageo.load_model(tmp_path / "mine", device="cpu")
    assert model.metrics == {"val_mIoU": 0.9}
    assert model.settings.dataloader.mean == pytest.approx(chips.mean)
    item = instageo.ChipDataset(data / "train.csv", statistics="auto")[1]
    with torch.no_grad():
        logits = net.eval()(item["image"][None], item["temporal_coords"][None], item["location_coords"][None])[0]
    prediction = model.predict(chips.report.rows[1].input)
    inside = item["valid"].any(0).numpy()
    assert (prediction.classes[inside] == logits.argmax(0).numpy()[inside]).mean() > 0.999


class SumDecoder(torch.nn.Module):
    """A decoder as TerraTorch has them: it takes four maps of these channels, and gives one."""

    def __init__(self, channels, width=16):
        super().__init__()
        self.levels = torch.nn.ModuleList(torch.nn.Conv2d(count, width, 1) for count in channels)
        self.out_channels = width

    def forward(self, maps):
        return sum(level(part) for level, part in zip(self.levels, maps, strict=True))


def test_a_torchgeo_dataset_and_a_terratorch_decoder(data):
    chips = instageo.ChipDataset(data / "train.csv", crop_size=SIDE, statistics="auto")
    theirs = [sample_to_torchgeo(sample_from_dict(item)) for item in chips]
    assert theirs[0]["image"].shape == (6, SIDE, SIDE)
    ours = [sample_to_dict(sample_from_torchgeo(sample)) for sample in theirs]
    assert all(torch.equal(ours[0][key], chips[0][key]) for key in ("image", "valid", "label"))
    encoder = instageo.build_encoder("prithvi_eo_tiny", depth=2, img_size=SIDE)
    net = build_network_with_decoder(encoder, SumDecoder, num_classes=2)
    task = instageo.SegmentationTask(net, num_classes=2, lr=1e-3)
    trainer = pl.Trainer(max_epochs=1, **TRAINER)
    trainer.fit(task, DataLoader(ours, batch_size=2), DataLoader(ours, batch_size=2))
    assert torch.isfinite(trainer.callback_metrics["val_mIoU"])


def test_a_task_takes_plain_loaders(data, tmp_path):
    chips = instageo.ChipDataset(data / "train.csv", crop_size=SIDE, statistics="auto")
    whole = instageo.ChipDataset(data / "valid.csv", statistics=(chips.mean, chips.std))
    task = instageo.SegmentationTask(small_network(), num_classes=2)
    pl.Trainer(max_epochs=1, **TRAINER).fit(task, DataLoader(chips, batch_size=2), DataLoader(whole))
    with pytest.raises(ConfigError, match="pass the training data"):
        instageo.save_model(task, tmp_path / "mine")
    assert instageo.load_model(instageo.save_model(task, tmp_path / "mine", data=chips), device="cpu")


def test_checkpoints_of_lightning_are_models_too(data, tmp_path):
    net = small_network()
    dm = instageo.ChipDataModule(train=data / "train.csv", val=data / "valid.csv", crop_size=SIDE)
    task = instageo.SegmentationTask(net, num_classes=2, lr=2e-3)
    best = pl.callbacks.ModelCheckpoint(tmp_path / "lightning", monitor="val_mIoU", mode="max")
    pl.Trainer(max_epochs=1, callbacks=[best], **(TRAINER | {"enable_checkpointing": True})).fit(task, dm)
    model = instageo.load_model(best.best_model_path, device="cpu")
    assert model.settings.dataloader.mean == pytest.approx(dm.mean)
    again = instageo.SegmentationTask.load_from_checkpoint(best.best_model_path, net=small_network())
    assert again.hparams.lr == 2e-3
    assert all(torch.equal(value, again.net.state_dict()[key]) for key, value in net.state_dict().items())


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


def test_data_of_other_bands_or_classes_are_refused(data, tmp_path):
    chips = instageo.ChipDataset(data / "train.csv", statistics="auto", num_classes=5)
    task = instageo.SegmentationTask(small_network(), num_classes=2)
    with pytest.raises(ConfigError, match="task has num_classes=2, but its data have num_classes=5"):
        instageo.save_model(task, tmp_path / "mine", data=chips)
    with pytest.raises(ConfigError, match="cannot be saved as a model"):
        instageo.save_model(torch.nn.Linear(1, 1), tmp_path / "mine", data=chips)


def test_pretrained_weights_of_a_file(tmp_path):
    donor = instageo.build_encoder("prithvi_eo_tiny", depth=2)
    torch.save(donor.state_dict(), tmp_path / "encoder.pt")
    net = instageo.build_network("prithvi_eo_tiny", num_classes=2, depth=2, pretrained=tmp_path / "encoder.pt")
    own, given = net.prithvi_encoder.state_dict(), donor.state_dict()
    assert all(torch.equal(own[key], value) for key, value in given.items() if key != "pos_embed")
    fewer = instageo.build_encoder(
        "prithvi_eo_tiny", depth=2, bands=("RED", "BLUE"), pretrained=str(tmp_path / "encoder.pt")
    )
    assert torch.equal(fewer.patch_embed.proj.weight, donor.patch_embed.proj.weight[:, [2, 0]])


def test_published_weights_without_a_network_connection(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match="prithvi_eo_v2_300_tl") as error:
        instageo.build_network("prithvi_eo_v2_300_tl", num_classes=2, pretrained=True)
    assert "\n" not in str(error.value)
    with pytest.raises(WeightsError, match="no published weights"):
        instageo.build_network("prithvi_eo_tiny", num_classes=2, pretrained=True)


def test_models_are_listed_as_names_and_as_a_table():
    names = instageo.list_models()
    assert isinstance(names[0], str)
    assert "prithvi_eo_tiny" not in instageo.list_models(pretrained=True)
    line = next(line for line in repr(names).splitlines() if line.startswith("prithvi_eo_v2_300_tl"))
    assert line.split() == [
        "prithvi_eo_v2_300_tl", "303.9M", "16", "4", "time,", "location",
        "ibm-nasa-geospatial/Prithvi-EO-2.0-300M-TL",
    ]  # fmt: skip


def test_a_network_with_other_outputs_than_its_data_have_classes_is_not_saved(data, tmp_path):
    chips = instageo.ChipDataset(data / "train.csv", statistics="auto")
    net = instageo.build_network("prithvi_eo_tiny", num_classes=3, depth=1, img_size=32)
    with pytest.raises(ConfigError, match="the network has 3 outputs, but the task needs 2"):
        instageo.save_model(net, tmp_path / "mine", data=chips)
    assert not (tmp_path / "mine").exists()


def test_a_map_is_not_written_over_its_input(trained):
    data, run = trained
    chip = data / "chips" / "chip_0.tif"
    before = chip.read_bytes()
    prediction = instageo.load_model(run, device="cpu").predict(chip)
    with pytest.raises(DataError, match="the map would overwrite the image it was predicted from"):
        prediction.save(chip.parent / ".." / "chips" / chip.name)
    assert chip.read_bytes() == before


def test_a_data_frame_is_a_table(data):
    frame = pandas.read_csv(data / "train.csv")
    chips = instageo.ChipDataset(frame, root_dir=data, crop_size=16, seed=1)
    from_file = instageo.ChipDataset(data / "train.csv", crop_size=16, seed=1)
    assert len(chips) == len(from_file) == len(frame)
    torch.testing.assert_close(chips[1], from_file[1], equal_nan=True)  # dates are unknown
    assert repr(chips).startswith("ChipDataset(DataFrame: 4 chips of 6 layers")
    with pytest.raises(TableError, match="DataFrame: no column 'Label'; found"):
        instageo.ChipDataset(frame[["Input"]], root_dir=data)
    dm = instageo.ChipDataModule(frame, frame, root_dir=data, crop_size=16, batch_size=4)
    assert next(iter(dm.train_dataloader()))["image"].shape == (4, 6, 1, 16, 16)


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


def test_dates_as_text_and_a_device_that_is_missing(data, tmp_path):
    chips = instageo.ChipDataset(data / "train.csv", statistics="auto")
    instageo.save_model(small_network(), tmp_path / "mine", data=chips)
    model = instageo.load_model(tmp_path / "mine", device="auto")
    chip = data / "chips" / "chip_0.tif"
    expected = model.predict(chip, dates=[date(2024, 3, 5)], lat_lon=(36.1, -99))
    for dates in ("2024-03-05", ["2024-03-05"], date(2024, 3, 5)):
        given = model.predict(chip, dates=dates, lat_lon=np.array([36.1, -99]))
        np.testing.assert_array_equal(given.probabilities, expected.probabilities)
    with pytest.raises(ConfigError, match="dates='yesterday' does not work; expected dates such as"):
        model.predict(chip, dates="yesterday")
    with pytest.raises(ConfigError, match="device='tpu' does not work: this machine has no such device; use 'cpu'"):
        instageo.load_model(tmp_path / "mine", device="tpu")
