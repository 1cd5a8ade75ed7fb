"""Chips in another unit than the mean."""

import pytest

from instageo.model.inspection.tables import inspect_table
from instageo.model.inspection.units import MeanFrom, warn_if_units_differ
from tests.unit.inspection.test_tables import chip, run_on


@pytest.mark.parametrize(
    ("mean_from", "advice"),
    [
        (MeanFrom.settings, "or use mean and std of these chips (dataloader.mean=auto)"),
        (MeanFrom.table, "compare the first chips of the table with the others"),
        (MeanFrom.checkpoint, "so that they are in the unit that the model was trained in"),
    ],
)
def test_advice_on_units_fits_where_the_mean_is_from(tmp_path, caplog, mean_from, advice):
    run = run_on(tmp_path, [chip(tmp_path, "a")], mean=[5000.0], std=[1.0])
    warn_if_units_differ(run.settings, inspect_table(run, "train_filepath"), mean_from)
    assert "chips hold values of about 5, but dataloader.mean is about 5e+03" in caplog.text
    assert advice in caplog.text
    assert ("dataloader.mean=auto" in caplog.text) == (mean_from is MeanFrom.settings)
