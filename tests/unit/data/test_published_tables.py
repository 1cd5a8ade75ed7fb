"""Tables that a data set brings, wherever its files are now."""

import pytest

from instageo.data.public_datasets import find_tables, write_tables
from instageo.data.published_tables import published_dataset
from instageo.errors import TableError
from instageo.table import read_table


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def test_paths_become_relative_to_the_folder(tmp_path):
    data = tmp_path / "replica"
    touch(data, *(f"chips/chip_{number}.tif" for number in "0123"), *(f"maps/map_{number}.tif" for number in "012"))
    (data / "my_train_v2.csv").write_text(
        "Input,Label,dates\ngs://bucket/old/chips/chip_0.tif,/old/maps/map_0.tif,2020-01-01\n"
        "chips\\chip_1.tif,maps\\map_1.tif,\nchips/chip_3.tif,maps/map_3.tif,\nchips/chip_9.tif,maps/map_0.tif,\n"
    )
    (data / "validation.json").write_text('[{"Input": "../../etc/chips/chip_2.tif", "Label": "maps/map_2.tif"}]')
    (data / "notes_test.csv").write_text("a,b\n1,2\n")  # no table of chips
    dataset = published_dataset(tmp_path)
    assert list(dataset.tables) == ["train", "val"]
    assert dataset.tables["train"] == [
        {"Input": "replica/chips/chip_0.tif", "Label": "replica/maps/map_0.tif", "dates": "2020-01-01"},
        {"Input": "replica/chips/chip_1.tif", "Label": "replica/maps/map_1.tif", "dates": ""},
    ]
    assert dataset.tables["val"] == [{"Input": "replica/chips/chip_2.tif", "Label": "replica/maps/map_2.tif"}]
    assert [(file.name, file.reason) for file in dataset.skipped] == [
        ("chips/chip_3.tif", "no label"), ("chips/chip_9.tif", "listed, but the chip is missing"),
    ]  # fmt: skip
    assert dataset.notes[0] == "train is taken from replica/my_train_v2.csv"
    write_tables(dataset, tmp_path)
    assert published_dataset(tmp_path) == dataset  # the tables that were written are not taken for the published ones
    assert len(read_table(tmp_path / "train.csv", tmp_path, need_label=True)) == 2


def test_what_is_missing_is_one_sentence(tmp_path):
    with pytest.raises(TableError, match="no such folder"):
        published_dataset(tmp_path / "nowhere")
    with pytest.raises(TableError, match=r"has no table with a column 'Input' .*; found no table at all"):
        published_dataset(tmp_path)
    (tmp_path / "train.csv").write_text("Input,Label\na.tif,b.tif\n")
    with pytest.raises(TableError, match=r"none of the 1 chip of its tables is there with its label, such as a\.tif"):
        published_dataset(tmp_path)
    touch(tmp_path, "x/a.tif", "x/b.tif")
    for name in ("x/train_1.csv", "x/train_2.csv"):
        (tmp_path / name).write_text("Input,Label\na.tif,b.tif\n")
    with pytest.raises(TableError, match=r"has several tables of train \(x/train_1\.csv, x/train_2\.csv\)"):
        published_dataset(tmp_path)


def test_lists_of_the_floods_may_be_tables(tmp_path):
    touch(tmp_path, *(f"S1Hand/Ghana_{number}_S1Hand.tif" for number in "123"))
    touch(tmp_path, *(f"LabelHand/Ghana_{number}_LabelHand.tif" for number in "123"))
    (tmp_path / "flood_train_data.csv").write_text("Label,Input\nx,gs://b/S2Hand/Ghana_1_S2Hand.tif\n")
    (tmp_path / "flood_valid_data.csv").write_text("Ghana_2_S1Hand.tif,Ghana_2_LabelHand.tif\n")
    dataset = find_tables("sen1floods11_s1", tmp_path)
    names = {split: [row["Input"] for row in rows] for split, rows in dataset.tables.items()}
    assert names == {"train": ["S1Hand/Ghana_1_S1Hand.tif"], "val": ["S1Hand/Ghana_2_S1Hand.tif"]}
    write_tables(dataset, tmp_path)
    assert find_tables("sen1floods11_s1", tmp_path) == dataset
