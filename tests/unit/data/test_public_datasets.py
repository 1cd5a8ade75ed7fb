"""Tables of public data sets, with a reason for every chip that is in none."""

import csv
import shlex
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from typer.testing import CliRunner

from instageo.cli import app
from instageo.data.public_datasets import DatasetTables, SkippedFile, find_tables, training_command, write_tables
from instageo.errors import TableError
from instageo.raster.grid import Grid
from instageo.raster.writing import write_raster
from instageo.table import Row, read_table

HAND = "v1.1/data/flood_events/HandLabeled"
SPLITS = "v1.1/splits/flood_handlabeled"
BURNT = "subsetted_512x512_HLS.S30.T10SDH.2020248.v1.4"


@pytest.fixture
def make_files(tmp_path):
    """Function that writes tiny GeoTIFFs, or files with a text, and returns the folder."""

    def make(*names, text=None):
        for name in names:
            path = tmp_path / "data" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                write_raster(path, np.ones((1, 2, 2), np.uint8), Grid("EPSG:4326", Affine(1, 0, 9, 0, -1, 9), 2, 2))
            else:
                path.write_text(text)
        return tmp_path / "data"

    return make


def flood(*names):
    return [f"{HAND}/{kind}/{name}_{kind}.tif" for name in names for kind in ("S2Hand", "LabelHand")]


def flood_row(name):
    return {"Input": f"{HAND}/S2Hand/{name}_S2Hand.tif", "Label": f"{HAND}/LabelHand/{name}_LabelHand.tif"}


def test_floods_by_their_lists(make_files):
    make_files(
        *flood("Ghana_1", "Ghana_2", "India_3", "Bolivia_4", "Spain_5", "USA_6"), f"{HAND}/S1Hand/Ghana_1_S1Hand.tif"
    )
    make_files(f"{HAND}/S2Hand/Peru_7_S2Hand.tif", f"{HAND}/LabelHand/Cuba_8_LabelHand.tif")
    make_files(
        f"{SPLITS}/flood_train_data.csv", text="Ghana_1_S1Hand.tif,Ghana_1_LabelHand.tif\nGhana_2_S1Hand.tif,x.tif\n"
    )
    make_files(
        f"{SPLITS}/flood_valid_data.csv", text="India_3_S1Hand.tif,India_3_LabelHand.tif\r\nGhana_1_S1Hand.tif,y\r\n"
    )
    make_files(
        f"{SPLITS}/flood_test_data.csv", text="USA_6_S1Hand.tif,z\nNone_9_S1Hand.tif,z\nPeru_7_S1Hand.tif,z\nUSA_6,z\n"
    )
    folder = make_files(f"{SPLITS}/flood_bolivia_data.csv", text="\ufeffBolivia_4_S1Hand.tif,Bolivia_4_LabelHand.tif")
    dataset = find_tables("sen1floods11", folder)
    assert dataset.tables == {
        "train": [flood_row("Ghana_1"), flood_row("Ghana_2")],
        "val": [flood_row("India_3")],
        "test": [flood_row("USA_6")],
        "bolivia": [flood_row("Bolivia_4")],
    }
    assert set(dataset.skipped) == {  # pitfall 39
        SkippedFile("Ghana_1", "val", "already in train"),
        SkippedFile("None_9", "test", "listed, but the chip is missing"),
        SkippedFile("Peru_7", "test", "no label"),
        SkippedFile("USA_6", "test", "listed twice"),
        SkippedFile("Spain_5", "", "in no list"),
        SkippedFile("Cuba_8", "", "label without a chip"),
    }
    assert dataset.summary().startswith("rows: train 2, val 1, test 1, bolivia 1; skipped 6: {'already in train': 1, ")


def test_lists_of_bare_names(make_files):
    make_files(*flood("Ghana_1", "India_2"))
    make_files("splits/train_split.txt", text="Ghana_1\n\n")
    folder = make_files("splits/val_split.txt", text="India_2\n")
    assert find_tables("sen1floods11", folder).tables == {
        "train": [flood_row("Ghana_1")],
        "val": [flood_row("India_2")],
    }


def test_the_list_of_hand_labelled_chips_takes_precedence_and_a_note_names_the_other(make_files):
    make_files(*flood("Ghana_1", "India_2"))
    make_files("flood_train_data.txt", text="India_2\n")
    folder = make_files(f"{SPLITS}/flood_train_data.csv", text="Ghana_1_S1Hand.tif,l\n")
    dataset = find_tables("sen1floods11", folder)
    assert dataset.tables == {"train": [flood_row("Ghana_1")]}
    assert dataset.notes == (f"train is taken from {SPLITS}/flood_train_data.csv", "flood_train_data.txt is not used")


def test_floods_without_lists_make_one_table(make_files):
    dataset = find_tables("sen1floods11", make_files(*flood("Ghana_1", "India_2")))
    assert dataset == DatasetTables(
        {"all": [flood_row("Ghana_1"), flood_row("India_2")]},
        (),
        ("no list and no folder separates training from validation; split the table before training",),
    )


def crop(number, part="training"):
    return [f"{part}_chips/chip_{number:03}_000{ending}" for ending in ("_merged.tif", ".mask.tif")]


def pairs(names):
    return [{"Input": chip, "Label": label} for chip, label in zip(names[::2], names[1::2], strict=True)]


@pytest.mark.parametrize(
    ("training", "validation"),
    [
        (("training_data.txt", "chip_000_000\nchip_002_000\n"), ("validation_data.txt", "chip_001_000\n")),
        (("train_data.txt", "chip_000_000\nchip_002_000\n"), ("validation_data.txt", "chip_001_000\n")),
        (("training_data.csv", ",chip_id\n0,chip_000_000\n1,chip_002_000\n"),
         ("validation_data.csv", "chip_id\nchip_001_000\n")),
        (("lists/train_ids.csv", "chip_000_000\nchip_002_000"), ("lists/val_ids.csv", "x/chip_001_000_merged.tif")),
    ],
)  # fmt: skip
def test_crops_by_their_lists(make_files, training, validation):
    make_files(*crop(0), *crop(1, "validation"), *crop(2), *crop(3))
    make_files(training[0], text=training[1])
    dataset = find_tables("hls_crops", make_files(validation[0], text=validation[1]))
    assert dataset.tables == {"train": pairs([*crop(0), *crop(2)]), "val": pairs(crop(1, "validation"))}
    assert dataset.skipped == (SkippedFile("chip_003_000", "", "in no list"),)


def test_crops_by_folders(make_files):
    folder = make_files(*crop(0), *crop(1, "validation"), *crop(2)[:1], "training_chips/chip_000_000_merged.tiff")
    dataset = find_tables("hls_crops", folder)
    assert dataset.tables == {"train": pairs(crop(0)), "val": pairs(crop(1, "validation"))}
    assert dataset.skipped == (
        SkippedFile("chip_002_000", "train", "no label"),
        SkippedFile("chip_000_000", "", "another file of this name is used"),
    )


def test_burn_scars_by_folders_with_their_dates(make_files):
    names = [BURNT, BURNT.replace("2020248", "2019366"), BURNT.replace("2020248", "2020366").replace("S30", "L30")]
    files = [f"training/{name}{ending}" for name in names for ending in ("_merged.tif", ".mask.tif")]
    folder = make_files(*files, f"validation/{BURNT[:-1]}5_merged.tif", f"validation/{BURNT[:-1]}5.mask.tif")
    dataset = find_tables("hls_burn_scars", folder)
    days = {row["Input"].split(".")[3]: row["dates"] for row in dataset.tables["train"]}
    assert days == {"2020248": "2020-09-04", "2019366": "", "2020366": "2020-12-31"}
    assert [row["dates"] for row in dataset.tables["val"]] == ["2020-09-04"]
    assert dataset.notes == ("no date in 1 file names",)


def test_burn_scars_by_lists(make_files):
    other = BURNT.replace("T10SDH", "T11SKA")
    files = [f"data/{name}{ending}" for name in (BURNT, other) for ending in ("_merged.tif", ".mask.tif")]
    make_files(*files)
    make_files("splits/train.txt", text=f"{BURNT}\n")
    make_files("splits/test.txt", text="")
    folder = make_files("splits/val.txt", text=f"{other}_merged.tif\n")
    dataset = find_tables("hls_burn_scars", folder)
    assert {part: [row["Input"] for row in rows] for part, rows in dataset.tables.items()} == {
        "train": [files[0]], "val": [files[2]],
    }  # fmt: skip
    assert "test has no row, so no table is written" in dataset.notes


def test_linked_folders_are_followed_once_and_hidden_files_left_out(make_files, tmp_path):
    folder = make_files(*crop(0))
    make_files("training_chips/._chip_001_000_merged.tif", "training_chips/._chip_001_000.mask.tif", text="no raster")
    (tmp_path / "elsewhere").mkdir()
    (folder / "training_chips").rename(tmp_path / "elsewhere" / "training_chips")
    (folder / "disk").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(folder)
    dataset = find_tables("hls_crops", folder)
    assert dataset.tables == {"train": pairs([f"disk/{name}" for name in crop(0)])}
    assert dataset.skipped == ()


@pytest.mark.parametrize(
    ("layout", "words"),
    [
        ("floods", "layout 'floods' is unknown; choose one of sen1floods11, sen1floods11_s1, hls_crops"),
        ("hls_crops", r"no chip with its label in the layout hls_crops; expected chip_000_000_merged\.tif and .*; "
                      r"found 4 files: 3 of \.tif such as chip_000_000_merged.*, 1 of \.md such as .*; "
                      r"skipped \{'no label': 1\}"),
    ],
)  # fmt: skip
def test_a_folder_with_another_data_set_is_an_error(make_files, layout, words):
    make_files(*flood("Ghana_1"), "chip_000_000_merged.tif")
    with pytest.raises(TableError, match=words):
        find_tables(layout, make_files("README.md", text="floods"))


def test_a_missing_or_empty_folder_is_an_error(tmp_path):
    with pytest.raises(TableError, match="no such folder"):
        find_tables("hls_crops", tmp_path / "none")
    with pytest.raises(TableError, match=r"found 0 files$"):
        find_tables("hls_crops", tmp_path)


def test_written_tables_are_read_and_never_overwritten(make_files, tmp_path):
    folder = make_files(*flood("Ghana_1"), f"{HAND}/S2Hand/Peru_7_S2Hand.tif")
    paths = write_tables(find_tables("sen1floods11", folder), folder)
    assert [path.name for path in paths] == ["all.csv", "skipped.csv"]
    row = flood_row("Ghana_1")
    assert read_table("all.csv", folder, need_label=True) == [
        Row(row["Input"], str(folder / row["Input"]), str(folder / row["Label"]))
    ]
    assert write_tables(find_tables("sen1floods11", folder), folder) == paths  # the same again
    (folder / "all.csv").write_text("Input\nown.tif\n")
    with pytest.raises(TableError, match=r"all\.csv: exists with other content; move it away or choose another"):
        write_tables(find_tables("sen1floods11", folder), folder)
    assert (folder / "all.csv").read_text() == "Input\nown.tif\n"


def test_our_own_tables_are_not_taken_for_lists(make_files):
    make_files(*crop(0))
    make_files("training_data.txt", text="chip_000_000\n")
    folder = make_files("train.csv", text="Input,Label\nown.tif,label.tif\n")
    dataset = find_tables("hls_crops", folder)
    assert dataset.tables == {"train": pairs(crop(0))}
    assert dataset.notes == ("train is taken from training_data.txt",)


def test_the_next_command(tmp_path):
    folder = tmp_path / "my data"
    here = {part: folder / f"{part}.csv" for part in ("train", "val", "test")}
    words = shlex.split(training_command("hls_burn_scars", folder, here))
    assert words == [
        "instageo", "run", "--config-name=hls_burn_scars", f"root_dir={folder}", "train_filepath=train.csv",
        "valid_filepath=val.csv", "hydra.run.dir=runs/hls_burn_scars",
    ]  # fmt: skip
    words = shlex.split(training_command("sen1floods11", folder, {"all": Path("tables/all.csv")}))
    assert words[2:] == [
        "--config-name=sen1floods11", "mode=stats", f"root_dir={folder}", "train_filepath=tables/all.csv",
    ]  # fmt: skip


def test_the_command_line(make_files, tmp_path):
    folder = make_files(*crop(0), *crop(1, "validation"), *crop(2)[:1])
    result = CliRunner().invoke(app, ["table", "hls_crops", str(folder), "--output", str(tmp_path / "tables")])
    assert result.exit_code == 0
    assert result.output.splitlines()[0] == "rows: train 1, val 1; skipped 1: {'no label': 1}"
    assert f"train_filepath={tmp_path / 'tables' / 'train.csv'}" in result.output.splitlines()[-1]
    with open(tmp_path / "tables" / "skipped.csv", newline="") as file:
        assert list(csv.DictReader(file)) == [{"name": "chip_002_000", "table": "train", "reason": "no label"}]
    refused = CliRunner().invoke(app, ["table", "floods", str(folder)])
    assert isinstance(refused.exception, TableError)
