"""Every mode from table to files, on tiny chips."""

import json
import signal
import subprocess
import sys

import numpy as np
import pytest
import rasterio
import torch
from matplotlib.image import imread

from instageo import load_model
from instageo.model import build_network
from instageo.model.augmentations.pipeline import AUGMENTATIONS
from instageo.model.commands import show_batch
from instageo.model.training import module
from instageo.raster.reading import read_info, read_raster
from instageo.raster.writing import write_raster
from instageo.table import write_table
from tests.integration.conftest import QUICK, write_chips

PRESETS = {
    "sen1floods11": ["dataloader.bands=null", "dataloader.constant_multiplier=1"],
    "multitemporal_crop_classification": [],
    "locust": [],
    "hls_burn_scars": [],
    "aod": [],
    "biomass": [],
}


def test_training_writes_all_documented_files(trained):
    _, folder = trained
    names = {path.name for path in folder.iterdir()}
    promised = {
        "instageo_best_checkpoint.ckpt", "last.ckpt", ".hydra", "history.csv", "learning_curve.png", "tensorboard",
        "metrics.json", "metrics.csv", "confusion_matrix.png",
    }  # fmt: skip
    assert promised <= names
    assert not [name for name in names if name.endswith(".part")]
    assert len((folder / "history.csv").read_text().splitlines()) == 3
    assert list((folder / "tensorboard").iterdir())


def test_a_checkpoint_contains_plain_tensors_and_its_settings(trained):
    _, folder = trained
    content = torch.load(folder / "instageo_best_checkpoint.ckpt", weights_only=True)
    assert all(
        key.startswith("net.prithvi_encoder.") or key.startswith("net.segmentation_head.")
        for key in content["state_dict"]
    )
    metadata = content["instageo"]
    assert metadata["settings"]["model.num_classes"] == 2
    assert metadata["settings"]["dataloader.mean"][0] == 775.2290
    assert metadata["settings"]["dataloader.img_size"] == 32
    assert 0 <= metadata["metrics"]["val_mIoU"] <= 1
    assert set(metadata["versions"]) >= {"instageo", "torch"}
    assert "latitude" in metadata["coordinates"]


def test_stats_prints_one_json_line_last_and_it_is_exact(data, run):  # pitfalls 9, 10
    status, out, _ = run("mode=stats", f"root_dir={data}", "train_filepath=train.csv")
    stats = json.loads(out.splitlines()[-1])
    assert status == 0
    chips = [read_raster(path) for path in sorted((data / "chips").iterdir())[:4]]
    pixels = np.concatenate([chip.values[:, chip.values[0] != -9999] for chip in chips], axis=1).astype(float)
    np.testing.assert_allclose(stats["mean"], pixels.mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(stats["std"], pixels.std(axis=1), rtol=1e-12)
    assert stats["valid_fraction"] == 1 - 16 / 1024
    assert sum(stats["class_counts"]) == 4 * (1024 - 16)
    total = sum(stats["class_counts"])
    np.testing.assert_allclose(stats["class_weights"], [total / 2 / count for count in stats["class_counts"]])


def test_eval_agrees_with_a_confusion_matrix_by_hand_over_the_written_maps(trained, run, tmp_path):  # pitfalls 5, 6, 20
    data, folder = trained
    checkpoint = f"checkpoint_path={folder / 'instageo_best_checkpoint.ckpt'}"
    common = [f"root_dir={data}", "test_filepath=train.csv", checkpoint]
    assert run("mode=eval", *common)[0] == 0
    assert run("mode=chip_inference", *common, f"output_dir={tmp_path / 'maps'}")[0] == 0
    confusion = np.zeros((2, 2), dtype=int)
    for number in range(4):
        with rasterio.open(tmp_path / "maps" / "chips" / f"prediction_{number}.tif") as source:
            written, colors, tags = source.read(1), source.colormap(1), source.tags()
            assert source.nodata == 255
        with rasterio.open(data / "chips" / f"chip_{number}.tif") as source:
            chip = source.read()
        truth = read_raster(data / "labels" / f"label_{number}.tif").values[0]
        assert ((written == 255) == (chip == -9999).any(axis=0)).all()
        assert json.loads(tags["CLASS_NAMES"]) == ["0", "1"]
        assert len({colors[0], colors[1]}) == 2
        valid = written != 255
        np.add.at(confusion, (truth[valid], written[valid]), 1)
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["confusion_matrix"] == confusion.tolist()
    hits, union = confusion.diagonal(), confusion.sum(0) + confusion.sum(1) - confusion.diagonal()
    assert metrics["mIoU"] == pytest.approx((hits / union).mean(), abs=1e-6)
    assert metrics["accuracy"] == pytest.approx(hits.sum() / confusion.sum(), abs=1e-6)


def test_maps_lie_on_the_input_grid_at_any_size_and_repeat_byte_for_byte(trained, run, tmp_path):  # pitfalls 1, 2, 7
    _, folder = trained
    scene = write_chips(tmp_path / "scene", side=72, count=3)
    write_table(scene / "all.csv", [{"Input": "chips/chip_0.tif", "Label": ""}])
    checkpoint = f"checkpoint_path={folder / 'instageo_best_checkpoint.ckpt'}"
    for name in ("first", "second"):
        arguments = [f"root_dir={scene}", "test_filepath=all.csv", checkpoint, f"output_dir={tmp_path / name}"]
        assert run("mode=chip_inference", *arguments)[0] == 0
    first = tmp_path / "first" / "chips" / "prediction_0.tif"
    assert first.read_bytes() == (tmp_path / "second" / "chips" / "prediction_0.tif").read_bytes()
    assert read_info(first).grid == read_info(scene / "chips" / "chip_0.tif").grid
    prediction = load_model(folder).predict(scene / "chips" / "chip_0.tif")
    assert (prediction.classes == read_raster(first).values[0]).all()
    sums = prediction.probabilities.sum(0)
    np.testing.assert_allclose(sums[prediction.valid], 1, atol=1e-5)
    assert np.isnan(sums[~prediction.valid]).all()


def test_the_same_table_as_json_under_a_key(trained, run):  # pitfall 15
    data, folder = trained
    (data / "dataset.json").write_text(
        json.dumps({"chips": [{"Input": "chips/chip_5.tif", "Label": "labels/label_5.tif"}]})
    )
    status, out, _ = run(
        "--config-name=config.yaml", "mode=eval", f"root_dir={data}", "test_filepath=dataset.json",
        f"checkpoint_path={folder / 'instageo_best_checkpoint.ckpt'}",
    )  # fmt: skip
    assert status == 0
    assert "mIoU" in out


def test_files_of_another_layout_are_read_by_position(trained, run, tmp_path):
    data, folder = trained
    wide = write_chips(tmp_path / "wide")
    for path in (wide / "chips").iterdir():
        chip = read_raster(path)
        write_raster(path, np.concatenate([chip.values[:2] * 0, chip.values]), chip.grid)
    scores = []
    for root, more in ((data, []), (wide, ["dataloader.bands=[2,3,4,5,6,7]"])):
        status, _, err = run(
            "mode=eval", f"root_dir={root}", "test_filepath=test.csv", f"checkpoint_path={folder}", *more
        )
        assert status == 0, err
        scores.append((tmp_path / "run" / "metrics.json").read_text())
    assert scores[0] == scores[1]


def test_training_starts_from_a_checkpoint(trained, run, tmp_path):
    data, folder = trained
    tables = [f"root_dir={data}", "train_filepath=train.csv", "valid_filepath=valid.csv", f"checkpoint_path={folder}"]
    status, _, err = run(*tables, *QUICK, "train.learning_rate=1e-12", "train.weight_decay=0")
    assert status == 0, err
    first, second = (
        torch.load(path / "last.ckpt", weights_only=True)["state_dict"] for path in (folder, tmp_path / "run")
    )
    best = torch.load(folder / "instageo_best_checkpoint.ckpt", weights_only=True)["state_dict"]
    key = "net.prithvi_encoder.blocks.0.mlp.fc1.weight"
    torch.testing.assert_close(second[key], best[key])
    assert first[key].shape == best[key].shape


def test_a_published_checkpoint_takes_its_settings_from_the_yaml_next_to_it(trained, tmp_path):
    data, folder = trained
    content = torch.load(folder / "instageo_best_checkpoint.ckpt", weights_only=True)
    renamed = {
        key.replace("prithvi_encoder", "prithvi_100M_backbone"): value for key, value in content["state_dict"].items()
    }
    (tmp_path / ".hydra").mkdir()
    yaml = (folder / ".hydra" / "config.yaml").read_text()
    (tmp_path / ".hydra" / "config.yaml").write_text(f"{yaml}\nneptune_experiment: gone\n")
    torch.save({"state_dict": renamed}, tmp_path / "instageo_best_checkpoint.ckpt")
    ours, published = load_model(folder), load_model(tmp_path)
    chip = data / "chips" / "chip_5.tif"
    np.testing.assert_allclose(ours.predict(chip).probabilities, published.predict(chip).probabilities, atol=2e-5)


def test_predicting_an_array_equals_predicting_its_file(trained):
    data, folder = trained
    model = load_model(folder / "instageo_best_checkpoint.ckpt", device="cpu")
    chip = read_raster(data / "chips" / "chip_5.tif")
    by_file, by_array = model.predict(data / "chips" / "chip_5.tif"), model.predict(chip.values)
    assert (by_file.classes == by_array.classes).all()
    np.testing.assert_array_equal(by_file.probabilities, by_array.probabilities)
    assert by_array.grid is None


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_trains_a_step(preset, run, tmp_path):
    single = preset in ("sen1floods11", "hls_burn_scars", "aod")
    num_dates, classes = (1, 2) if single else (3, 13 if "crop" in preset else 2)
    data = write_chips(tmp_path / "data", num_dates=num_dates, classes=classes, count=4)
    tables = [f"root_dir={data}", "train_filepath=train.csv", "valid_filepath=valid.csv"]
    status, out, err = run(f"--config-name={preset}", *tables, *QUICK, *PRESETS[preset])
    assert status == 0, err
    assert ("RMSE" if preset in ("aod", "biomass") else "mIoU") in out


def test_every_augmentation_trains_a_step(data, run):
    tables = [f"root_dir={data}", "train_filepath=train.csv", "valid_filepath=valid.csv"]
    optical = AUGMENTATIONS.keys() - {"speckle"}  # which is for radar; see test_radar
    chosen = [f"dataloader.augmentations.{name}.{key}" for name in sorted(optical) for key in ("use=true", "p=1")]
    status, _, err = run(*tables, *QUICK, *chosen)
    assert status == 0, err


OWN = """
def erase(batch, rng, rows):
    valid = batch.valid.clone()
    valid[..., :rows, :] = False
    return type(batch)(batch.image, valid, batch.label.masked_fill(~valid.any(1), rng.ignore_index))
"""


def test_a_user_defined_augmentation(data, run, tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    tables = [f"root_dir={data}", "train_filepath=train.csv", "valid_filepath=valid.csv"]
    key, path = "dataloader.augmentations.own", tmp_path / "own.py"
    status, _, err = run(*tables, *QUICK, f"{key}=[{{function: {path}:erase, p: 1, parameters: {{rows: 8}}}}]")
    assert status == 0, err
    resumed = f"{key}=[{{function: {path}:erase, p: 1, parameters: {{rows: 8}}}}]"
    status, _, err = run(*tables, *QUICK, resumed, "train.resume=true", "train.num_epochs=2")
    assert status == 0, err
    assert "resuming" in err
    status, _, err = run(*tables, *QUICK, f"{key}=[{{function: {path}:erase}}]", folder="other")
    assert status == 1
    assert "own.py:erase(batch, rng, rows) does not accept the parameters {}: missing a required" in err
    assert "argument: 'rows'" in err
    assert "chips of" not in err  # no table was read


def test_the_batch_figure_shows_the_samples_of_training(data, run, tmp_path, monkeypatch):
    """Its samples are those of the first epoch, whatever the size of the batches."""
    augmented, drawn = [], []
    augment = module.process_and_augment

    def record(*arguments):
        augmented.append(augment(*arguments))
        return augmented[-1]

    monkeypatch.setattr(module, "process_and_augment", record)
    monkeypatch.setattr(show_batch, "draw_samples", lambda pairs, *_: drawn.extend(pairs))
    chosen = [f"dataloader.augmentations.{name}.use=true" for name in ("rotate", "resized_crop", "noise")]
    common = [f"root_dir={data}", "train_filepath=train.csv", *QUICK, *chosen, "dataloader.img_size=16", "seed=5"]
    assert run(*common, "valid_filepath=valid.csv")[0] == 0
    status, _, err = run("mode=show_batch", *common)
    assert status == 0, err
    assert len(drawn) == 4
    for name in ("image", "valid", "label"):
        trained_on = torch.cat([getattr(batch, name) for batch in augmented])
        assert torch.equal(torch.stack([getattr(pair.after, name) for pair in drawn]), trained_on)
    before, after = torch.stack([pair.before.image for pair in drawn]), torch.cat([batch.image for batch in augmented])
    assert not torch.equal(before, after)


def test_the_batch_figure_is_written(data, run, tmp_path):
    status, _, err = run("mode=show_batch", f"root_dir={data}", "train_filepath=train.csv")
    assert status == 0, err
    assert err.splitlines()[-1].endswith(f"augmentations (hflip, vflip): {tmp_path / 'run' / 'augmentations.png'}")
    assert imread(tmp_path / "run" / "augmentations.png")[..., :3].std() > 0.1


def test_options_of_training_work(data, run, tmp_path):  # pitfall 31
    tables = [f"root_dir={data}", "train_filepath=train.csv", "valid_filepath=valid.csv"]
    chosen = [
        "precision=bf16-mixed",
        "devices=1",
        "train.early_stopping_patience=1",
        "train.gradient_clip_val=0.5",
        "seed=7",
    ]
    more = ["train.scheduler=constant", "train.class_weights=[1,3]", "model.freeze_backbone=true"]
    status, _, err = run(*tables, *QUICK, *chosen, *more, "dataloader.num_workers=1", "train.num_epochs=3")
    assert status == 0, err
    encoder = torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)["state_dict"]
    torch.manual_seed(7)
    fresh = build_network("prithvi_eo_tiny", num_classes=2, img_size=32, depth=1).state_dict()
    encoder_keys = [key for key in fresh if key.startswith("prithvi_encoder.")]
    assert all(torch.equal(encoder[f"net.{key}"], fresh[key]) for key in encoder_keys)  # frozen, and from the seed
    assert not torch.equal(encoder["net.segmentation_head.5.weight"], fresh["segmentation_head.5.weight"])


def test_the_same_seed_gives_the_same_metrics_with_and_without_workers(data, run, tmp_path):
    tables = [f"root_dir={data}", "train_filepath=train.csv", "valid_filepath=valid.csv"]
    chosen = [*QUICK, "train.num_epochs=2", "dataloader.augmentations.rotate.use=true", "dataloader.img_size=16"]
    for name, workers in (("a", 0), ("b", 1)):
        assert run(*tables, *chosen, f"dataloader.num_workers={workers}", folder=name)[0] == 0
    histories = [(tmp_path / name / "history.csv").read_text().splitlines() for name in "ab"]
    without_seconds = [[line.split(",")[0:1] + line.split(",")[2:] for line in history] for history in histories]
    assert without_seconds[0] == without_seconds[1]


KILLED_IN_EPOCH_6 = """
import os, signal
from instageo.model.run import main
from instageo.model.training import module

augment, batches = module.process_and_augment, []

def process_and_augment(*arguments):
    batches.append(arguments)
    if len(batches) == 12:  # the second batch of the sixth epoch
        os.kill(os.getpid(), signal.SIGKILL)
    return augment(*arguments)

module.process_and_augment = process_and_augment
main()
"""


def test_a_killed_run_resumes_to_the_metrics_of_an_undisturbed_one(data, warm_command, tmp_path):
    arguments = [f"root_dir={data}", "train_filepath=train.csv", "valid_filepath=valid.csv", *QUICK,
                 "train.num_epochs=12", "dataloader.augmentations.noise.use=true"]  # fmt: skip
    command = [*warm_command("instageo.model.run"), *arguments]
    subprocess.run([*command, f"hydra.run.dir={tmp_path / 'whole'}"], check=True, capture_output=True)
    disturbed = tmp_path / "disturbed"
    (tmp_path / "killed.py").write_text(KILLED_IN_EPOCH_6)
    killed = subprocess.run(
        [*warm_command("killed"), *arguments, f"hydra.run.dir={disturbed}"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert len((disturbed / "history.csv").read_text().splitlines()) == 1 + 5
    resumed = subprocess.run(
        [*command, f"hydra.run.dir={disturbed}", "train.resume=true"], check=True, capture_output=True, text=True
    )
    assert "resuming" in resumed.stderr
    assert "epoch 2 of 12" not in resumed.stderr  # the first epochs were not done again
    for name in ("metrics.json", "metrics.csv"):
        assert (disturbed / name).read_text() == (tmp_path / "whole" / name).read_text()
    whole, again = ((folder / "history.csv").read_text().splitlines() for folder in (tmp_path / "whole", disturbed))
    assert [line.split(",")[3:] for line in whole] == [line.split(",")[3:] for line in again]


def test_two_processes_train_and_score_together(data, tmp_path):  # pitfall 23
    tables = [f"root_dir={data}", "train_filepath=train.csv", "valid_filepath=train.csv"]
    command = [sys.executable, "-m", "instageo.model.run", *tables, *QUICK]
    command += ["train.num_epochs=2", "devices=2", f"hydra.run.dir={tmp_path / 'run'}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=300)
    assert done.returncode == 0, done.stderr
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    last = (tmp_path / "run" / "history.csv").read_text().splitlines()
    columns = dict(zip(last[0].split(","), zip(*(line.split(",") for line in last[1:]), strict=True), strict=True))
    assert max(map(float, columns["val_mIoU"])) == pytest.approx(metrics["mIoU"], abs=1e-6)  # both saw every pixel
    assert sum(map(sum, metrics["confusion_matrix"])) == 4 * (1024 - 16)
    accounts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (accounts["status"], accounts["work"]["epochs"], accounts["work"]["chips"]) == ("finished", 2, 8)


def test_widths_are_read_from_the_checkpoint_and_have_defaults_if_missing(data, trained, run, tmp_path):
    tables = [f"root_dir={data}", "train_filepath=train.csv", "valid_filepath=valid.csv"]
    narrow = ["model.embed_dim=48", "model.head=light", "model.head_channels=8"]
    assert run(*tables, *QUICK, *narrow)[0] == 0
    net = load_model(tmp_path / "run").net
    assert (net.prithvi_encoder.embed_dim, net.segmentation_head.keep.in_channels) == (48, 8)
    common = ["mode=eval", f"root_dir={data}", "test_filepath=test.csv"]
    status, _, err = run(*common, f"checkpoint_path={tmp_path / 'run'}", "model.embed_dim=64", folder="refused")
    assert (status, "was trained with model.embed_dim=48, but you passed model.embed_dim=64" in err) == (1, True)
    content = torch.load(trained[1] / "instageo_best_checkpoint.ckpt", weights_only=True)
    for key in ("model.embed_dim", "model.head_channels"):
        del content["instageo"]["settings"][key]
    torch.save(content, tmp_path / "old.ckpt")
    assert load_model(tmp_path / "old.ckpt").net.prithvi_encoder.embed_dim == 256
    status, _, err = run(*common, f"checkpoint_path={tmp_path / 'old.ckpt'}", "model.embed_dim=64", folder="refused")
    assert (status, "was trained with model.embed_dim=None, but you passed model.embed_dim=64" in err) == (1, True)
