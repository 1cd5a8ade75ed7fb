"""Models that the Python API saves: loaded, used by commands, published."""

import json
from datetime import date

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

import instageo
from instageo.errors import ConfigError, DataError
from tests.integration.conftest import SIDE
from tests.integration.library.training import TRAINER, small_network, trained_task

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:pytorch_lightning"),
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning"),  # Lightning with this PyTorch
]


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
    from instageo.model.publishing.publish import PushRequest, push

    task, _, _ = trained_task(data, class_names=["dry", "water"])
    folder = instageo.save_model(task, tmp_path / "mine").parent
    model, version = push(
        folder, str(tmp_path / "registry" / "registry.yaml"), PushRequest("floods/tiny", licence="MIT", new=True)
    )
    assert model.key == "floods"
    assert "instageo_best_checkpoint.ckpt" in version.files


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


def test_data_of_other_bands_or_classes_are_refused(data, tmp_path):
    chips = instageo.ChipDataset(data / "train.csv", statistics="auto", num_classes=5)
    task = instageo.SegmentationTask(small_network(), num_classes=2)
    with pytest.raises(ConfigError, match="task has num_classes=2, but its data have num_classes=5"):
        instageo.save_model(task, tmp_path / "mine", data=chips)
    with pytest.raises(ConfigError, match="cannot be saved as a model"):
        instageo.save_model(torch.nn.Linear(1, 1), tmp_path / "mine", data=chips)


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
