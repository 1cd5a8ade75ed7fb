"""Each bad input gives one readable sentence, a non-zero exit status, no traceback, and nothing half-written."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from instageo.raster.reading import read_info, read_raster
from instageo.raster.writing import write_raster
from tests.integration.conftest import QUICK, write_chips

TABLES = ["train_filepath=train.csv", "valid_filepath=valid.csv"]


def one_sentence(result):
    """Return the error message of a run, and check that it failed as it should."""
    status, out, err = result
    assert status == 1
    assert out == ""
    assert "Traceback" not in err
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert err.endswith(errors[0] + "\n")
    return errors[0].removeprefix("error: ")


def rewrite(path, change):
    """Replace the values of a raster by the result of a function."""
    raster, info = read_raster(path), read_info(path)
    values = change(raster.values)
    grid = raster.grid.window(0, 0, *values.shape[1:])
    write_raster(path, values, grid, no_data_value=info.no_data_value)


def missing_chip(data):
    (data / "chips" / "chip_0.tif").unlink()


def missing_label(data):
    (data / "labels" / "label_0.tif").unlink()


def text_for_a_chip(data):
    (data / "chips" / "chip_0.tif").write_text("not a raster")


def truncated_chip(data):
    path = data / "chips" / "chip_0.tif"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def four_bands(data):
    for path in (data / "chips").iterdir():
        rewrite(path, lambda values: values[:4])


def thirteen_bands(data):  # pitfall 14
    for path in (data / "chips").iterdir():
        rewrite(path, lambda values: np.concatenate([values, values, values[:1]]))


def one_file_of_another_layout(data):  # pitfall 17
    rewrite(data / "chips" / "chip_0.tif", lambda values: np.concatenate([values, values]))


def label_value_7(data):  # pitfall 18
    rewrite(data / "labels" / "label_0.tif", lambda values: values * 0 + 7)


def small_label(data):
    rewrite(data / "labels" / "label_0.tif", lambda values: values[:, :16, :16])


def no_valid_pixel(data):
    rewrite(data / "chips" / "chip_0.tif", lambda values: values * 0 - 9999)


def no_labelled_pixel(data):
    rewrite(data / "labels" / "label_0.tif", lambda values: values.astype(np.int16) * 0 - 1)


def no_input_column(data):
    (data / "train.csv").write_text("image,mask\nchips/chip_0.tif,labels/label_0.tif\n")


def no_label_column(data):
    (data / "train.csv").write_text("Input\nchips/chip_0.tif\n")


def empty_table(data):
    (data / "train.csv").write_text("Input,Label\n")


def empty_label(data):
    (data / "train.csv").write_text("Input,Label\nchips/chip_0.tif,\n")


def not_utf8(data):
    (data / "train.csv").write_bytes("Input,Label\nchips/é.tif,x\n".encode("latin-1"))


ROWS = {
    missing_chip: ["chips/chip_0.tif: no such file", "check the path, root_dir and the table"],
    missing_label: ["labels/label_0.tif: no such file"],
    text_for_a_chip: ["chips/chip_0.tif: cannot be read as a raster", "expected a GeoTIFF"],
    truncated_chip: ["chips/chip_0.tif: cannot be read"],
    four_bands: ["has 4 layers, expected 6 (1 date x 6 bands)", "dataloader.bands"],
    thirteen_bands: ["has 13 layers, expected 6"],
    one_file_of_another_layout: ["has 12 layers, expected 6"],
    label_value_7: ["label_0.tif: label values [7] are outside the classes 0..1", "model.num_classes"],
    small_label: ["label_0.tif: 16x16 pixels", "has 32x32"],
    no_valid_pixel: ["chip_0.tif: no valid pixel", "dataloader.no_data_value"],
    no_labelled_pixel: ["label_0.tif: no labelled pixel"],
}
TABLE = {
    no_input_column: ["train.csv: no column 'Input'; found ['image', 'mask']"],
    no_label_column: ["train.csv: no column 'Label'; found ['Input']"],
    empty_table: ["train.csv: the table has no rows"],
    empty_label: ["train.csv: row 1 (chips/chip_0.tif) has no value in column 'Label'"],
    not_utf8: ["train.csv: cannot be read as CSV", "UTF-8"],
}


@pytest.mark.parametrize("damage", [*ROWS, *TABLE], ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("mode", ["train", "stats"])
def test_bad_tables_and_files(mode, damage, data, run, tmp_path):
    damage(data)
    sentence = one_sentence(run(f"mode={mode}", f"root_dir={data}", *TABLES, *QUICK))
    for words in (ROWS | TABLE)[damage]:
        assert words in sentence
    listed = ["broken_rows_train.csv"] if damage in ROWS else []
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [".hydra", *listed, "run.json", "run.log"]


@pytest.mark.parametrize("damage", [missing_chip, text_for_a_chip, label_value_7], ids=lambda damage: damage.__name__)
def test_bad_rows_can_be_skipped_and_are_named(damage, data, run):  # pitfall 39
    damage(data)
    status, _, err = run("mode=stats", f"root_dir={data}", *TABLES, "dataloader.on_bad_row=skip")
    assert status == 0
    assert "left out 1" in err
    assert ROWS[damage][0] in err


SETTINGS = {
    "train.lr=1": "unknown setting 'train.lr'; did you mean train.learning_rate",
    "learning_rate=1": "unknown setting 'learning_rate'; did you mean train.learning_rate",
    "+model.fancy=1": "unknown setting 'model.fancy'",
    "dataloader.augmentations.flip.use=true": "did you mean dataloader.augmentations.hflip.use",
    "train.num_epochs=many": "train.num_epochs: Value 'many'",
    "train.num_epochs=0": "train.num_epochs=0 does not work; expected at least 1",
    "train.learning_rate=-1": "train.learning_rate=-1.0 does not work; expected a number above 0",
    "mode=fly": "mode",
    "dataloader.std=[1,1,1,1,1,1]": "expected values, as for dataloader.std",
    "dataloader.bands=[1,2,3]": "dataloader.mean has no default for the bands BAND_1, BAND_2, BAND_3",
    "train.class_weights=[1,2,3]": "expected 2 weights, as model.num_classes",
    "train.ignore_index=1": "train.ignore_index=1 does not work; expected a value outside the classes 0..1",
    "precision=fast": "precision=fast does not work; expected one of auto, 32-true",
    "model.model_name=resnet": "model.model_name=resnet is unknown; choose one of prithvi_eo_v2_tiny_tl",
    "model.weights=/nowhere.pt": "/nowhere.pt does not exist; check model.weights",
    "model.load_pretrained_weights=true": "model.load_pretrained_weights=false",
    "train.resume=/nowhere": "train.resume=/nowhere: the file does not exist; expected a last.ckpt or its folder",
    "train_filepath=none.csv": "table 'none.csv' does not exist; looked for",
    "root_dir=/nowhere": "root_dir=/nowhere is not a folder",
    "model.use_log_scale=true": "model.use_log_scale=True does not work; expected false without is_reg_task=true",
    "dataloader.label_kind=pixel": "dataloader.label_kind",
    "accelerator=gpu": "accelerator=gpu",
    "devices=foo": "devices=foo does not work; expected auto, or a number",
    "seed=-1": "seed=-1 does not work; expected 0 or more",
    "dataloader.mean=[a,b]": "dataloader.mean=['a', 'b'] does not work; expected a list of numbers, null, or auto",
    "dataloader.constant_multiplier=0": "expected a finite number other than 0",
    "dataloader.bands=[0,1,2,3,4,4]": "expected different positions",
    "~train": "'~train' is not a valid override; use key=value",
    "train.num_epochs": "'train.num_epochs' is not a valid override; use key=value",
    "root_dir=~/x": "root_dir=~/x is not a folder; expected the folder that the table's paths start from",
    "model.class_names=[a#1,b]": "model.class_names=[a#1,b] cannot be read; put quotes around text with special",
    "--config-name=nope": "configuration 'nope' does not exist; choose one of aod, biomass, config, hls_burn_scars, "
    "locust,",
    "test.stride=65": "test.stride=65 leaves gaps between tiles of 32 pixels",
    "devices=99": "devices=99 does not work on",
    "accelerator=tpu": "accelerator=tpu",
}


@pytest.mark.parametrize("override", SETTINGS)
def test_bad_settings(override, data, run):
    assert SETTINGS[override] in one_sentence(run(f"root_dir={data}", *TABLES, *QUICK[:-1], override))


def test_a_missing_table_is_told_before_weights_are_downloaded(data, run):
    settings = (*TABLES, *QUICK, "model.load_pretrained_weights=true", "valid_filepath=none.csv")
    sentence = one_sentence(run(f"root_dir={data}", *settings))
    assert sentence.startswith("table 'none.csv' does not exist; looked for")


@pytest.mark.parametrize("mode", ["train", "eval", "chip_inference", "stats"])
def test_a_missing_setting_that_a_mode_needs_is_named(mode, run):  # pitfall 37
    assert f"mode={mode} needs " in one_sentence(run(f"mode={mode}"))


def test_an_unknown_key_in_a_configuration_of_the_user(data, run, tmp_path):
    (tmp_path / "mine.yaml").write_text("defaults:\n  - config\n  - _self_\ntrain:\n  epochs: 3\n")
    sentence = one_sentence(run(f"--config-dir={tmp_path}", "--config-name=mine", f"root_dir={data}", *TABLES))
    assert "unknown setting 'train.epochs'; did you mean train.num_epochs" in sentence


def test_a_value_for_a_group_in_a_configuration_of_the_user(data, run, tmp_path):
    (tmp_path / "mine.yaml").write_text("defaults:\n  - config\n  - _self_\nengine: ray\n")
    sentence = one_sentence(run(f"--config-dir={tmp_path}", "--config-name=mine", f"root_dir={data}", *TABLES))
    assert sentence.endswith("write its settings below it, such as engine: {kind: ray}")


def test_a_table_with_the_wrong_separator_says_so(data, run):
    (data / "train.csv").write_text("Input;Label\nchips/chip_0.tif;labels/label_0.tif\n")
    assert "separate columns by commas" in one_sentence(run("mode=stats", f"root_dir={data}", *TABLES))


def test_the_same_reason_is_given_once(data, run):
    four_bands(data)
    sentence = one_sentence(run("mode=stats", f"root_dir={data}", *TABLES))
    assert "4 of 4 rows cannot be used" in sentence
    assert "(and 3 more like it)" in sentence
    assert sentence.count("has 4 layers") == 1


def test_the_error_is_in_the_log_too(data, run, tmp_path):
    missing_chip(data)
    sentence = one_sentence(run("mode=stats", f"root_dir={data}", *TABLES))
    assert sentence in (tmp_path / "run" / "run.log").read_text()


def test_a_loss_that_is_not_a_number_ends_the_run_without_a_checkpoint(data, run, tmp_path):
    sentence = one_sentence(run(f"root_dir={data}", *TABLES, *QUICK, "train.learning_rate=1e30"))
    assert "not a number" in sentence or "the loss is" in sentence
    assert "train.learning_rate" in sentence
    assert not (tmp_path / "run" / "instageo_best_checkpoint.ckpt").exists()


def test_resuming_another_run_is_refused(trained, run):
    data, folder = trained
    before = (folder / "last.ckpt").read_bytes()
    tables = [f"root_dir={data}", *TABLES, *QUICK, "train.num_epochs=3"]
    sentence = one_sentence(run(*tables, "train.weight_decay=0.5", f"train.resume={folder}"))
    assert "its run has train.weight_decay=0.01" in sentence
    weights_alone = folder / "instageo_best_checkpoint.ckpt"
    assert "contains weights only" in one_sentence(run(*tables, f"train.resume={weights_alone}"))
    assert (folder / "last.ckpt").read_bytes() == before


def test_a_file_that_cannot_be_read_during_prediction(trained, run, tmp_path):
    _, folder = trained
    data = write_chips(tmp_path / "data")
    path = data / "chips" / "chip_0.tif"
    content = bytearray(path.read_bytes())
    content[500:9000] = b"\xff" * 8500  # the pixels, no deflate stream any more; the directory stays whole
    path.write_bytes(content)
    common = ["mode=chip_inference", f"root_dir={data}", "test_filepath=train.csv", f"checkpoint_path={folder}"]
    assert "1 of 4 chips could not be predicted: chips/chip_0.tif: " in one_sentence(run(*common))
    status, _, err = run(*common, "dataloader.on_bad_row=skip", f"output_dir={tmp_path / 'maps'}")
    assert status == 0
    assert "1 of 4 chips could not be predicted: chips/chip_0.tif: " in err
    assert len(list((tmp_path / "maps" / "chips").glob("*.tif"))) == 3


def harmful(path):
    class Harm:
        def __reduce__(self):
            return Path.touch, (path.with_name("harm"),)

    torch.save({"state_dict": Harm()}, path)


CHECKPOINTS = {
    "missing": (lambda path: None, "does not exist; expected a file, the folder of a run, or registry:MODEL/SIZE"),
    "text": (lambda path: path.write_text("hello"), "not a PyTorch file of plain tensors"),
    "empty": (lambda path: path.touch(), "not a PyTorch file of plain tensors"),
    "harmful": (harmful, "holds objects that could run code; it was not loaded"),  # pitfall 36
    "old pickle": (lambda path: path.write_bytes(pickle.dumps({}, 2)), "not a PyTorch file of plain tensors"),
    "no network": (lambda path: torch.save({"state_dict": {"a": torch.ones(1)}}, path), "holds no network"),
    "list": (lambda path: torch.save([1], path), "holds a list"),
    "no settings": (
        lambda path: torch.save({"state_dict": {"net.a": torch.ones(1)}}, path),
        "stores no settings",
    ),
}


@pytest.mark.parametrize("case", CHECKPOINTS)
@pytest.mark.parametrize("mode", ["eval", "chip_inference"])
def test_bad_checkpoints(mode, case, data, run, tmp_path):
    make, words = CHECKPOINTS[case]
    make(tmp_path / "bad.ckpt")
    sentence = one_sentence(
        run(f"mode={mode}", f"root_dir={data}", "test_filepath=test.csv", f"checkpoint_path={tmp_path / 'bad.ckpt'}")
    )
    assert words in sentence
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("model.num_classes=5", "was trained with model.num_classes=2, but you passed model.num_classes=5"),
        ("model.model_name=prithvi_eo_v1_100", "was trained with model.model_name=prithvi_eo_tiny"),
        ("model.head=light", "was trained with model.head=upscaling"),
        ("--config-name=multitemporal_crop_classification", "was trained with"),
        ("dataloader.bands=[0,1,2]", "dataloader.bands=[0, 1, 2] does not work"),
    ],
)
def test_settings_that_contradict_the_checkpoint(override, words, trained, run):
    data, folder = trained
    checkpoint = f"checkpoint_path={folder / 'instageo_best_checkpoint.ckpt'}"
    result = run(override, "mode=eval", f"root_dir={data}", "test_filepath=test.csv", checkpoint)
    assert words in one_sentence(result)


def test_chips_that_do_not_fit_the_checkpoint(trained, run, tmp_path):
    _, folder = trained
    other = write_chips(tmp_path / "other", num_dates=3)
    checkpoint = f"checkpoint_path={folder / 'instageo_best_checkpoint.ckpt'}"
    for mode in ("eval", "chip_inference"):
        result = run(f"mode={mode}", f"root_dir={other}", "test_filepath=test.csv", checkpoint)
        assert "has 18 layers, expected 6 (1 date x 6 bands)" in one_sentence(result)
    assert not (tmp_path / "run" / "predictions").exists()


def test_a_checkpoint_that_lacks_a_tensor(trained, run, tmp_path):
    data, folder = trained
    content = torch.load(folder / "instageo_best_checkpoint.ckpt", weights_only=True)
    del content["state_dict"]["net.prithvi_encoder.norm.weight"]
    torch.save(content, tmp_path / "bad.ckpt")
    result = run("mode=eval", f"root_dir={data}", "test_filepath=test.csv", f"checkpoint_path={tmp_path / 'bad.ckpt'}")
    assert "does not fit the network: lacks prithvi_encoder.norm.weight" in one_sentence(result)


def test_predictions_never_overwrite_the_data(trained, run, tmp_path):
    _, folder = trained
    data = write_chips(tmp_path / "data")
    (data / "chips" / "scene.tif").write_bytes((data / "chips" / "chip_0.tif").read_bytes())
    (data / "all.csv").write_text("Input\nchips/scene.tif\n")
    before = (data / "chips" / "scene.tif").read_bytes()
    checkpoint = f"checkpoint_path={folder / 'instageo_best_checkpoint.ckpt'}"
    arguments = ["mode=chip_inference", f"root_dir={data}", "test_filepath=all.csv", checkpoint, f"output_dir={data}"]
    assert "would overwrite" in one_sentence(run(*arguments))
    assert (data / "chips" / "scene.tif").read_bytes() == before


def test_the_program_as_a_process(tmp_path):
    command = [sys.executable, "-m", "instageo.model.run", "train.lr=1"]
    plain = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (plain.returncode, plain.stdout) == (1, "")
    assert plain.stderr == "error: unknown setting 'train.lr'; did you mean train.learning_rate?\n"
    debug = subprocess.run([*command, "--debug"], capture_output=True, text=True, cwd=tmp_path, check=False)
    full = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, check=False, env=os.environ | {"HYDRA_FULL_ERROR": "1"}
    )
    for shown in (debug, full):
        assert shown.returncode == 1
        assert "Traceback" in shown.stderr
