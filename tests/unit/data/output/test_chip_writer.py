"""What a chip says of itself: offsets, unit, and the columns of its points."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from affine import Affine

from instageo.data.chip_settings import ChipSettings
from instageo.data.labelling.point_labelling import PointLabelling
from instageo.data.matching.chip_plan import ChipPlan
from instageo.data.observations.observation import Observation
from instageo.data.observations.points import PointTable
from instageo.data.output.chip_writer import ChipWriter
from instageo.data.output.run_settings import settings_record
from instageo.data.reading.chip_reader import ChipStep
from instageo.data.reading.step_pixels import combine_bands
from instageo.data.sources.any_stac import ANY_STAC
from instageo.data.sources.sentinel1 import SENTINEL1
from instageo.data.sources.sentinel2 import SENTINEL2
from instageo.raster.grid import Grid
from instageo.raster.reading import read_info, read_raster
from instageo.raster.warp import crs_wkt
from tests.items import item_of

PLAIN = {"constant_multiplier": 1.0, "constant_offset": 0.0}

GRID = Grid(crs_wkt("EPSG:32632"), Affine(10, 0, 600000, 0, -10, 4900020), 2, 2)


def points(*extra):
    lon, lat = 10.2437, 44.2456  # in the first pixels of the tile
    table = [
        Observation(n, lon, lat, datetime(2024, 5, 17, tzinfo=UTC), 1.0, "1", own) for n, own in enumerate(extra, 1)
    ]
    return PointLabelling(ChipSettings("p.csv", "out", label="value"),
                          PointTable(tuple(table), (), (), (), True, True, b""))  # fmt: skip


def written(folder, source, stored, item, labelling):
    plan = ChipPlan("name", "T32TPM", GRID, 0, 0, (), ((item,),), labelling.table.observations)
    pixels = combine_bands({"BLUE": (stored, np.ones(stored.shape, bool))}, item, source, None, None)
    writer = ChipWriter(folder, source, ("BLUE",), labelling, False, False, None, {"UNIT": source.unit})
    finished, is_final = writer.write(plan, [ChipStep(plan, [], item, None, pixels)])
    assert is_final
    return finished


@pytest.mark.parametrize(("baseline", "offset"), [("03.01", "0"), ("05.00", "-1000")])
def test_the_offset_that_was_added_is_noted(tmp_path, baseline, offset):  # pitfall 53
    item = item_of(collection="sentinel-2-l2a", **{"s2:processing_baseline": baseline})
    stored = np.array([[1500, 1600], [1700, 1800]], np.uint16)
    finished = written(tmp_path, SENTINEL2, stored, item, points({}))
    info = read_info(tmp_path / finished.row["Input"])
    assert (info.tags["OFFSETS"], info.tags["UNIT"]) == (offset, "reflectance x 10000")
    np.testing.assert_array_equal(
        read_raster(tmp_path / finished.row["Input"]).values[0], stored.astype(int) + int(offset)
    )


def test_fractions_of_another_collection_stay_fractions(tmp_path):
    stored = np.array([[0.25, 0.5], [40_000, -12_000]], np.float32)
    finished = written(tmp_path, ANY_STAC, stored, item_of(), points({}))
    chip = read_raster(tmp_path / finished.row["Input"])
    assert (chip.values.dtype, chip.tags["UNIT"]) == (np.float32, "as stored")
    np.testing.assert_array_equal(chip.values[0], stored)


def test_further_columns_of_the_points_are_kept(tmp_path):
    labelling = points({"event": "Spain", "tile": "mine"}, {"event": "Spain", "note": "a"}, {"event": "Ghana"})
    row = written(tmp_path, ANY_STAC, np.ones((2, 2), np.float32), item_of(), labelling).row
    assert (row["event"], row["note"], row["tile"]) == ("Spain;Ghana", ";a", "T32TPM")


@pytest.mark.parametrize(
    ("source", "bands", "expected"),
    [
        (SENTINEL2, SENTINEL2.bands, {"processing_level": "surface", **PLAIN}),
        (SENTINEL1, ("VV", "VH"), {"sensor": "sentinel1_rtc"}),
        (SENTINEL1, ("HH", "HV"), {"radar_unit": "linear"}),
        (ANY_STAC, ("NDVI",), PLAIN),
    ],
)
def test_settings_claim_only_what_is_known_of_the_values(source, bands, expected):
    settings = ChipSettings("p.csv", "out")
    record = settings_record(settings, source, "planetary", bands, classes=True, input_sha256="")
    layout = {"band_names": list(bands), "temporal_dim": 1, "no_data_value": -9999, "img_size": 224}
    assert record["dataloader"] == layout | expected
    assert record["unit"] == source.unit
    assert replace(settings, source="S2").source == "sentinel2"
