"""The data module of the Python API warns of tables that share ground."""

import logging

import instageo
from tests.integration.conftest import write_chips


def test_validation_chips_next_to_training_chips_are_told(tmp_path, caplog):
    data = write_chips(tmp_path, count=5)  # a row of chips, each next to the one before
    module = instageo.ChipDataModule(train=data / "train.csv", val=data / "valid.csv", statistics="auto")
    with caplog.at_level(logging.WARNING):
        module.setup("fit")
    told = f"1 of 1 chip of {data}/valid.csv overlaps or touches chips of {data}/train.csv, so scores will be too good"
    assert told in caplog.text
    assert "the nearest are chips/chip_3.tif and chips/chip_2.tif, with 958 m between their centres" in caplog.text
