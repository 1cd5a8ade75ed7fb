"""Tables as PyTorch datasets: the items that training sees, in dictionaries that collate."""

import csv
import json

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import instageo
from instageo.errors import ConfigError, DataError
from instageo.model.dataset.datamodule import LoaderDataModule
from instageo.model.dataset.datasets import WholeChipDataset
from instageo.model.dataset.from_settings import chip_reader_from_settings, random_crops_from_settings
from instageo.model.settings.compose import update_settings
from tests.integration.conftest import write_chips

KEYS = ["image", "valid", "label", "temporal_coords", "location_coords"]


@pytest.fixture
def table(tmp_path):
    """The path of a table of four chips of 32 x 32 pixels, with a corner without observations."""
    return write_chips(tmp_path / "data") / "train.csv"


def same(first, second):
    return first.keys() == second.keys() and all(
        torch.equal(first[key].nan_to_num(-1), second[key].nan_to_num(-1)) for key in first
    )


def test_an_item_is_a_dictionary_of_tensors(table):
    item = instageo.ChipDataset(table)[0]
    assert list(item) == KEYS
    shapes = {key: tuple(value.shape) for key, value in item.items()}
    assert shapes == {
        "image": (6, 1, 32, 32), "valid": (1, 32, 32), "label": (32, 32),
        "temporal_coords": (1, 2), "location_coords": (2,),
    }  # fmt: skip
    assert (item["image"].dtype, item["valid"].dtype, item["label"].dtype) == (torch.float32, torch.bool, torch.int64)
    assert not item["valid"][0, :4, :4].any()
    assert item["valid"].sum() == 32 * 32 - 16
    assert (item["label"][:4, :4] == -1).all()  # no label counts where nothing is observed
    assert (item["image"][:, 0, :4, :4] == 0).all()


def test_coordinates_are_always_there(table, make_raster):
    item = instageo.ChipDataset(table)[0]
    assert item["temporal_coords"].isnan().all()
    assert item["location_coords"].isfinite().all()  # from the file's georeference


def test_default_collation_takes_the_items(table):
    loader = DataLoader(instageo.ChipDataset(table, crop_size=16), batch_size=3)
    batch = next(iter(loader))
    assert batch["image"].shape == (3, 6, 1, 16, 16)
    assert batch["location_coords"].shape == (3, 2)


def test_items_are_pixel_for_pixel_what_training_sees(table):
    data = instageo.ChipDataset(table, crop_size=24, seed=7)
    settings = update_settings(data.settings, {"dataloader.img_size": 24})
    whole = WholeChipDataset(chip_reader_from_settings(settings, data.report))
    training = LoaderDataModule(
        random_crops_from_settings(settings, data.report), whole, batch_size=1, num_workers=0, seed=7
    )
    loader = training.train_dataloader()
    for epoch in range(3):
        loader.sampler.set_epoch(epoch)
        data.set_epoch(epoch)
        for (_, index), batch in zip(loader.sampler, loader, strict=True):
            expected = {key: getattr(batch, key)[0] for key in KEYS}
            assert same(data[index], expected)


def test_crops_depend_on_seed_epoch_and_row_alone(table):
    first, second = (instageo.ChipDataset(table, crop_size=8, seed=3) for _ in range(2))
    for number in reversed(range(4)):
        assert same(first[number], second[number])
    before = [first[0] for _ in range(2)]
    assert same(*before)
    first.set_epoch(1)
    assert not same(first[0], before[0])
    assert not same(instageo.ChipDataset(table, crop_size=8, seed=4)[0], before[0])


def test_running_loaders_follow_the_epoch(table):
    data = instageo.ChipDataset(table, crop_size=8)
    loader = DataLoader(data, num_workers=1, persistent_workers=True, batch_size=4)
    for epoch in range(3):
        data.set_epoch(epoch)
        [batch] = list(loader)
        alone = next(iter(DataLoader(data, batch_size=4)))
        assert same(batch, alone)


def test_negative_indices_and_the_end(table):
    data = instageo.ChipDataset(table)
    assert len(data) == 4
    assert same(data[-1], data[3])
    assert len(list(data)) == 4  # iteration ends with an IndexError
    with pytest.raises(IndexError, match="chip 4 of 4"):
        data[4]


def test_statistics_of_the_table_normalise_it(table):
    data = instageo.ChipDataset(table, statistics="auto")
    images, valid = torch.stack([item["image"] for item in data]), torch.stack([item["valid"] for item in data])
    for band in range(6):
        pixels = images[:, band][valid].double()
        assert abs(pixels.mean()) < 1e-5
        assert abs(pixels.std(correction=0) - 1) < 1e-5
    assert (images[:, :, 0][~valid.expand(-1, 6, -1, -1)] == 0).all()


def test_given_statistics_by_hand(table):
    raw = instageo.ChipDataset(table)[0]
    item = instageo.ChipDataset(table, statistics=([100.0] * 6, [2.0] * 6))[0]
    inside = raw["valid"].expand(6, -1, -1)[:, None]
    assert torch.equal(item["image"][inside], (raw["image"][inside] - 100) / 2)


def test_statistics_of_pretraining_are_named_by_a_model(table):
    data = instageo.ChipDataset(table, statistics="prithvi_eo_v2_300_tl")
    assert data.mean == (1087, 1342, 1433, 2734, 1958, 1363)
    assert data.std == (2248, 2179, 2178, 1850, 1242, 1049)


def test_augmentation_moves_image_and_label_together(table):
    statistics = ([0.0] * 6, [1.0] * 6)
    plain = instageo.ChipDataset(table, statistics=statistics)[0]
    flipped = instageo.ChipDataset(table, statistics=statistics, augmentations={"hflip": {"p": 1}})[0]
    assert torch.equal(flipped["image"], plain["image"].flip(-1))
    assert torch.equal(flipped["label"], plain["label"].flip(-1))


def test_augmentation_needs_statistics(table):
    with pytest.raises(ConfigError, match='pass statistics="auto"'):
        instageo.ChipDataset(table, augmentations=["hflip"])


def test_an_unknown_augmentation_names_the_nearest(table):
    with pytest.raises(ConfigError, match="did you mean hflip"):
        instageo.ChipDataset(table, statistics="auto", augmentations=["hflipp"])


def test_bands_by_name_or_position(table):
    every = instageo.ChipDataset(table)[0]["image"]
    chosen = instageo.ChipDataset(table, bands=[2, 1, 0], band_names=["RED", "GREEN", "BLUE"])
    assert torch.equal(chosen[0]["image"], every[[2, 1, 0]])
    assert chosen.bands == ("RED", "GREEN", "BLUE")
    assert instageo.ChipDataset(table, bands=instageo.ChipDataset(table).bands)[0]["image"].shape == every.shape


def test_a_sensor_says_where_bands_lie(tmp_path, make_raster):
    values = np.arange(13, dtype=np.int16)[:, None, None].repeat(4, 1).repeat(4, 2) * 100
    make_raster("chip.tif", values)
    make_raster("label.tif", np.ones((4, 4), np.uint8))
    (tmp_path / "one.csv").write_text("Input,Label\nchip.tif,label.tif\n")
    data = instageo.ChipDataset(tmp_path / "one.csv", sensor="hls_s30", bands=["RED", "B8A"])
    assert data.bands == ("RED", "NIR_NARROW")
    assert data[0]["image"][:, 0, 0, 0].tolist() == [300, 800]


def test_whole_tables_are_checked_first(table):
    rows = list(csv.DictReader(table.open()))
    table.with_name("broken.csv").write_text(f"Input,Label\nnone.tif,none.tif\n{rows[0]['Input']},{rows[0]['Label']}\n")
    with pytest.raises(DataError, match=r"1 of 2 rows cannot be used.*none\.tif"):
        instageo.ChipDataset(table.with_name("broken.csv"))
    data = instageo.ChipDataset(table.with_name("broken.csv"), on_bad_row="skip")
    assert len(data) == 1
    assert [row.name for row, _ in data.report.dropped] == ["none.tif"]


def test_labels_outside_the_classes_are_refused(table):
    with pytest.raises(DataError, match="outside the classes"):
        instageo.ChipDataset(table, num_classes=2, replace_label=(1, 5))


def test_tables_without_labels(table):
    rows = list(csv.DictReader(table.open()))
    table.with_name("new.json").write_text(json.dumps([{"Input": row["Input"]} for row in rows]))
    data = instageo.ChipDataset(table.with_name("new.json"), labels=False)
    assert list(data[0]) == [key for key in KEYS if key != "label"]
    assert "label" not in instageo.ChipDataset(table, labels=False)[0]


def test_continuous_labels(table):
    data = instageo.ChipDataset(table, is_reg_task=True)
    label = data[0]["label"]
    assert label.dtype == torch.float32
    assert label[:4, :4].isnan().all()


def test_paths_start_from_the_folder_of_the_table_or_from_root_dir(table, tmp_path):
    moved = tmp_path / "elsewhere" / "train.csv"
    moved.parent.mkdir()
    moved.write_text(table.read_text())
    with pytest.raises(DataError):
        instageo.ChipDataset(moved)
    assert len(instageo.ChipDataset(moved, root_dir=table.parent)) == 4


def test_a_mistyped_option_is_refused_at_once(table):
    with pytest.raises(TypeError, match="did you mean no_data_value"):
        instageo.ChipDataset(table, no_data_vale=0)


def test_smaller_chips_are_padded_with_no_data(table):
    item = instageo.ChipDataset(table, crop_size=(40, 36))[0]
    assert item["image"].shape == (6, 1, 40, 36)
    assert not item["valid"][0, 32:].any()
    assert (item["label"][32:] == -1).all()


def test_a_dataset_says_what_it_holds(table):
    assert "4 chips of 6 layers, 32x32 pixels" in repr(instageo.ChipDataset(table))
