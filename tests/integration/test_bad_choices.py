"""Choices of bands, coordinates and fine-tuning that cannot work: one sentence each, nothing half-written."""

import csv
import sys
import urllib.request

import pytest

from instageo.table import write_table
from tests.integration.conftest import QUICK, write_chips
from tests.integration.test_bad_input import TABLES, four_bands, one_sentence

SMALL = "dataloader.mean=[.1,.1,.1,.1,.1,.1] dataloader.std=[1,1,1,1,1,1]"
CONTRADICT = "contradict each other; choose one way of training the encoder"

CHOICES = {
    "model.freeze_backbone=true model.train_last_blocks=1":
        f"model.freeze_backbone=true and model.train_last_blocks=1 {CONTRADICT}",
    "model.freeze_backbone=true model.lora_rank=2": f"model.freeze_backbone=true and model.lora_rank=2 {CONTRADICT}",
    "model.train_last_blocks=1 model.lora_rank=2": f"model.train_last_blocks=1 and model.lora_rank=2 {CONTRADICT}",
    "model.train_last_blocks=9": "model.train_last_blocks=9, but the encoder has 1 block; expected at most that many",
    "model.train_last_blocks=0": "model.train_last_blocks=0 does not work; expected null, or at least 1 block",
    "model.lora_rank=0": "model.lora_rank=0 does not work; expected null, or at least 1",
    "model.lora_rank=2 model.lora_targets=[q]":
        "model.lora_targets=['q'] does not work; expected some of qkv, proj, fc1, fc2",
    "model.lora_rank=2 model.lora_targets=[]": "model.lora_targets=[] does not work; expected some of qkv",
    "model.lora_rank=2 model.lora_alpha=0": "model.lora_alpha=0.0 does not work; expected null, or a number above 0",
    "model.drop_path=1": "model.drop_path=1.0 does not work; expected 0 or more, below 1",
    "model.coords_dropout=-1": "model.coords_dropout=-1.0 does not work; expected 0 or more, below 1",
    "train.layer_decay=0": "train.layer_decay=0.0 does not work; expected above 0, at most 1",
    "train.layer_decay=1.5": "train.layer_decay=1.5 does not work; expected above 0, at most 1",
    "strategy=fsdp": "strategy=fsdp needs GPUs and this run has none; use strategy=ddp, or auto",
    "strategy=horovod": "strategy=horovod does not work; expected one of auto, ddp, fsdp",
    "model.head=fpn": "model.head=fpn is unknown; choose one of upscaling, light",
    "dataloader.sensor=modis": "dataloader.sensor=modis is unknown; choose one of hls_s30, hls_l30",
    "dataloader.sensor=sentinel2_l2a":
        "has 6 layers, expected 12 (1 date x 12 bands of dataloader.sensor=sentinel2_l2a)",
    "dataloader.sensor=sentinel2_l2a dataloader.band_names=[RED,CIRRUS]": "the sensor has no band CIRRUS; it has",
    f"dataloader.sensor=landsat8_c2 {SMALL}": "dataloader.sensor=landsat8_c2 gives reflectance x 10000, but",
    "dataloader.band_names=[RED,VIOLET]": "dataloader.mean has no default for the bands VIOLET; compute mean and std",
    "dataloader.band_names=[RED,BLUE]": "has 6 layers, expected 2 (1 date x 2 bands); name the bands with",
    "dataloader.band_names=[RED,RED]": "expected a different name for each band of a date",
    "dataloader.band_names=[RED] dataloader.mean=[1,2] dataloader.std=[1,1]": "expected 2 names, one per mean",
    "dataloader.bands=[0,1,2] dataloader.band_names=[RED,BLUE]":
        "expected 2 positions: 1 date (dataloader.temporal_dim) of 2 bands",
    "model.head=pooled train_filepath=none.csv":
        "model.head=pooled does not fit dataloader.label_kind=raster; expected upscaling or light or linear",
    "is_reg_task=true train.loss={mse:1,gaussian_nll:1} train_filepath=none.csv":
        "train.loss adds up losses that need different numbers of output channels (mse 1, gaussian_nll 2)",
    "train.weight_decay=0.1,0.2":
        "'train.weight_decay=0.1,0.2' has several values; add -m to try each of them, or write a list as key=[a,b]",
    "hydra.sweeper.direction=max": "hydra.sweeper.direction=max does not work; expected minimize or maximize",
    "dataloader.constant_offset=inf": "dataloader.constant_offset=inf does not work; expected a finite number",
}  # fmt: skip


@pytest.mark.parametrize("overrides", CHOICES)
def test_choices_that_cannot_work(overrides, data, run, tmp_path):
    sentence = one_sentence(run(f"root_dir={data}", *TABLES, *QUICK, *overrides.split()))
    assert CHOICES[overrides] in sentence
    left = {path.name for path in (tmp_path / "run").iterdir()} if (tmp_path / "run").exists() else set()
    assert left <= {".hydra", "run.json", "run.log", "broken_rows_train.csv"}


def with_columns(data, **values):
    """Add columns to the first row of the training table."""
    with open(data / "train.csv", newline="", encoding="utf-8") as file:
        rows = [row | dict.fromkeys(values, "") for row in csv.DictReader(file)]
    write_table(data / "train.csv", [rows[0] | values, *rows[1:]])


ROWS = {
    "two dates for one": ({"dates": "2020-01-01;2020-02-01"},
        "train.csv: 1 of 4 rows cannot be used: chips/chip_0.tif: 2 dates are given (2020-01-01, 2020-02-01) for chips "
        "of 1; give one per date of the chip, or none"),
    "no date": ({"dates": "spring"}, "row 1 (chips/chip_0.tif): dates=spring; expected ISO dates such as 2024-03-05"),
    "too far north": ({"lat": 95, "lon": 10},
        "row 1 (chips/chip_0.tif): lat=95 lon=10; expected degrees (-90..90, -180..180)"),
    "no longitude": ({"lat": 45, "lon": ""}, "row 1 (chips/chip_0.tif): lat=45 lon=; expected degrees"),
}  # fmt: skip


@pytest.mark.parametrize("case", ROWS)
@pytest.mark.parametrize("mode", ["train", "stats"])
def test_malformed_dates_and_coordinates(mode, case, data, run, tmp_path):
    values, words = ROWS[case]
    with_columns(data, **values)
    sentence = one_sentence(run(f"mode={mode}", f"root_dir={data}", *TABLES, *QUICK))
    assert words in sentence
    listed = ["broken_rows_train.csv"] if case == "two dates for one" else []
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [".hydra", *listed, "run.json", "run.log"]


def test_a_row_with_a_wrong_number_of_dates_can_be_left_out(data, run):  # pitfall 39
    with_columns(data, dates="2020-01-01;2020-02-01")
    status, _, err = run("mode=stats", f"root_dir={data}", *TABLES, "dataloader.on_bad_row=skip")
    assert status == 0
    assert "left out 1: chips/chip_0.tif: 2 dates are given" in err


def test_a_model_of_six_bands_refuses_four(trained, run, tmp_path):  # pitfall 27
    _, folder = trained
    data = write_chips(tmp_path / "data")
    four_bands(data)
    common = [f"root_dir={data}", "test_filepath=test.csv", f"checkpoint_path={folder}"]
    assert "has 4 layers, expected 6 (1 date x 6 bands)" in one_sentence(run("mode=eval", *common))
    sentence = one_sentence(run("mode=eval", *common, "dataloader.band_names=[BLUE,GREEN,RED,NIR_NARROW]"))
    assert (
        "was trained with dataloader.band_names=['BLUE', 'GREEN', 'RED', 'NIR_NARROW', 'SWIR_1', 'SWIR_2']" in sentence
    )
    assert not (tmp_path / "run" / "metrics.json").exists()


def test_a_sensor_contradicts_a_model_of_another_unit(data, run, tmp_path):
    unit = ["dataloader.constant_multiplier=1e-4", *SMALL.split()]
    assert run(f"root_dir={data}", *TABLES, *QUICK, *unit)[0] == 0
    checkpoint = f"checkpoint_path={tmp_path / 'run'}"
    common = [f"root_dir={data}", "test_filepath=test.csv", checkpoint, "dataloader.sensor=landsat5_c2"]
    for mode in ("eval", "chip_inference"):
        sentence = one_sentence(run(f"mode={mode}", *common, folder="again"))
        assert "dataloader.sensor=landsat5_c2 gives reflectance x 10000, but dataloader.mean=[0.1, " in sentence


def test_weights_of_a_run_with_another_width(trained, run):
    data, folder = trained
    chosen = [*QUICK, "model.model_name=prithvi_eo_v2_tiny_tl", f"model.weights={folder}"]
    sentence = one_sentence(run(f"root_dir={data}", *TABLES, *chosen))
    assert f"{folder / 'instageo_best_checkpoint.ckpt'}: cls_token has shape [1, 1, 256]" in sentence
    assert "choose the model.model_name that the file belongs to" in sentence


def test_lora_without_its_package(data, run, tmp_path, monkeypatch):  # pitfall 37
    monkeypatch.setitem(sys.modules, "peft", None)
    sentence = one_sentence(run(f"root_dir={data}", *TABLES, *QUICK, "model.lora_rank=2"))
    assert "model.lora_rank needs the package peft; install the extra: pip install 'instageo-model[lora]'" in sentence
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [".hydra", "run.json", "run.log"]


def test_compiling_without_a_compiler(data, run, tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    sentence = one_sentence(run(f"root_dir={data}", *TABLES, *QUICK, "compile=true"))
    assert "compile=true needs a C++ compiler, but no-such-compiler is not installed; install it" in sentence
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [".hydra", "run.json", "run.log"]


def test_the_default_configuration_without_internet_says_where_to_put_the_weights(
    data, run, tmp_path, monkeypatch
):  # pitfall 19
    from huggingface_hub import constants

    def refuse(*arguments, **options):
        raise AssertionError("the internet was used")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    sentence = one_sentence(run(f"root_dir={data}", *TABLES))
    assert "the pretrained weights of prithvi_eo_v2_tiny_tl could not be downloaded" in sentence
    assert "Prithvi_EO_V2_tiny_TL.pt" in sentence
    assert str(tmp_path / "cache") in sentence
    assert "model.load_pretrained_weights=false" in sentence
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [".hydra", "run.json", "run.log"]
    assert not (tmp_path / "cache").exists()


def test_pretrained_weights_with_another_width(data, run):
    chosen = ["model.load_pretrained_weights=true", "model.embed_dim=96", "model.model_name=prithvi_eo_v2_tiny_tl"]
    sentence = one_sentence(run(f"root_dir={data}", *TABLES, *QUICK, *chosen))
    assert "model.embed_dim=96, but the pretrained weights of prithvi_eo_v2_tiny_tl have 192 channels" in sentence
    assert "model.load_pretrained_weights=false" in sentence
