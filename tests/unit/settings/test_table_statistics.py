"""Settings that the training table decides: statistics, class weights and the size of crops."""

from dataclasses import replace

import numpy as np
import pytest

from instageo.errors import DataError
from instageo.model.inspection.report import TableReport
from instageo.model.inspection.row_stats import RowStats
from instageo.model.inspection.statistics import compute_moments
from instageo.model.settings import DataSettings, Settings, TrainSettings
from instageo.model.settings.resolve import resolve
from instageo.table import Row


def report(*bands):
    """One chip of 2 x 2 pixels with these values in each band, three pixels of class 0 and one of class 1."""
    values = np.array(bands, dtype=np.float32)
    stats = RowStats(len(bands), 2, 2, class_counts=(3, 1), band_moments=compute_moments(values, np.ones(4, bool)))
    return TableReport((Row("chip.tif", "chip.tif", "label.tif"),), (stats,))


def resolved(settings, table):
    return resolve(settings, statistics=lambda _: table)


def test_statistics_and_class_weights_by_hand():
    data, train = DataSettings(mean="auto", std="auto", band_names=["RED", "BLUE"]), TrainSettings(class_weights="auto")
    settings = resolved(Settings(dataloader=data, train=train), report([0, 0, 2, 2], [5, 5, 5, 9]))
    assert settings.dataloader.mean == [1, 6]
    assert settings.dataloader.std == [1, 3**0.5]
    assert settings.train.class_weights == pytest.approx([2 / 3, 2])


def test_given_statistics_and_weights_stay():
    data = DataSettings(mean=[3], std=[4], band_names=["RED"], img_size=2)
    given = Settings(dataloader=data, train=TrainSettings(class_weights=[1, 5]))
    recorded = replace(given, dataloader=replace(data, num_layers=1))
    assert resolved(given, report([0, 0, 2, 2])) == recorded


def test_a_constant_band_is_named():
    data = DataSettings(mean="auto", band_names=["RED", "BLUE"])
    settings = Settings(dataloader=data, train_filepath="train.csv")
    with pytest.raises(DataError, match=r"train\.csv: BLUE is constant in all chips, so it cannot be normalised"):
        resolved(settings, report([0, 0, 2, 2], [7, 7, 7, 7]))
    given = replace(settings, dataloader=DataSettings(mean=[1, 1], std=[1, 1], band_names=["RED", "BLUE"]))
    assert resolved(given, report([7] * 4, [7] * 4)).dataloader.mean == [1, 1]


@pytest.mark.parametrize(("img_size", "expected"), [(224, 16), (16, 16), (2, 2), (1, 1)])
def test_crops_are_no_larger_than_the_chips_in_whole_patches(img_size, expected):  # chips of 2 pixels, patches of 16
    settings = Settings(dataloader=DataSettings(img_size=img_size, band_names=["RED"], mean=[1], std=[1]))
    assert resolved(settings, report([1, 2, 3, 4])).dataloader.img_size == expected


def test_the_table_is_inspected_once_with_layers_and_scale_resolved():
    seen = []

    def inspect(settings):
        seen.append(settings.dataloader)
        return report(*[[1, 2, 3, 4]] * 6)

    resolve(Settings(dataloader=DataSettings(sensor="landsat8_c2", mean="auto", std="auto")), statistics=inspect)
    [data] = seen
    assert (data.bands, data.constant_multiplier, data.mean) == ([1, 2, 3, 4, 5, 6], 0.275, "auto")
