"""Resolve which layer is which band and how it is normalised, from sensor, checkpoint and defaults."""

from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from instageo.errors import ConfigError
from instageo.model.settings import DataSettings, LabelKind, Mode, ModelSettings, Settings
from instageo.model.settings.derived import band_names, describe_layout
from instageo.model.settings.resolve import resolve
from instageo.sensors import PRITHVI_BANDS, find_sensor


def settings(model_name="prithvi_eo_v2_tiny_tl", **data):
    return Settings(model=ModelSettings(model_name=model_name), dataloader=DataSettings(**data))


def resolved(explicit=(), **data):
    return resolve(settings(**data), frozenset(f"dataloader.{key}" for key in explicit)).dataloader


def test_a_sensor_gives_layers_scale_and_no_data():
    data = resolved(sensor="landsat8_c2", temporal_dim=2)
    assert data.bands == [1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13]
    assert (data.constant_multiplier, data.constant_offset, data.no_data_value) == (0.275, -2000, 0)
    assert data.band_names == list(PRITHVI_BANDS)


def test_without_a_sensor_the_file_is_taken_as_it_is():
    data = resolved()
    assert (data.bands, data.constant_multiplier, data.constant_offset, data.no_data_value) == (None, 1, 0, -9999)
    assert data.band_names == list(PRITHVI_BANDS)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("bands", [5, 4, 3, 2, 1, 0]),
        ("constant_multiplier", 2.0),
        ("constant_offset", -1000.0),  # Sentinel-2 from processing baseline 04.00 on
        ("no_data_value", 7.0),
        ("no_data_value", None),
    ],
)
def test_explicit_settings_take_precedence_over_the_sensor(key, value):
    given = resolved([key], sensor="sentinel2_l2a", **{key: value})
    alone = resolved(sensor="sentinel2_l2a")
    assert getattr(given, key) == value
    assert getattr(alone, key) != value
    others = {"bands", "constant_multiplier", "constant_offset", "no_data_value"} - {key}
    assert all(getattr(given, other) == getattr(alone, other) for other in others)


def test_codes_and_names_ask_for_the_same_layers():
    by_name = resolved(sensor="sentinel2_l2a", band_names=["RED", "NIR_NARROW", "BLUE"])
    by_code = resolved(sensor="sentinel2_l2a", band_names=["B04", "B8A", "B02"])
    assert by_name == by_code
    assert by_code.bands == [3, 8, 1]
    assert by_code.band_names == ["RED", "NIR_NARROW", "BLUE"]  # what the checkpoint carries


@pytest.mark.parametrize(
    ("model_name", "mean", "std"),
    [
        ("prithvi_eo_v1_100", [1228.5856, 775.2290], [1399.4803, 1281.5261]),
        ("prithvi_eo_tiny", [1228.5856, 775.2290], [1399.4803, 1281.5261]),
        ("prithvi_eo_v2_tiny_tl", [1433, 1087], [2178, 2248]),
        ("prithvi_eo_v2_600", [1433, 1087], [2178, 2248]),
    ],
)
@pytest.mark.parametrize("sensor", [None, "landsat5_c2"])
def test_statistics_follow_the_generation_and_the_names(model_name, sensor, mean, std):
    data = resolve(settings(model_name, sensor=sensor, band_names=["RED", "BLUE"])).dataloader
    assert (data.mean, data.std) == (mean, std)


def test_default_statistics_by_hand():
    data = resolved()
    assert data.mean == [1087, 1342, 1433, 2734, 1958, 1363]
    assert data.std == [2248, 2179, 2178, 1850, 1242, 1049]


def test_given_statistics_stay():
    data = resolved(mean=[300, 400], std=[1, 2], band_names=["THERMAL_1", "RED"])
    assert (data.mean, data.std, data.band_names) == ([300, 400], [1, 2], ["THERMAL_1", "RED"])


@pytest.mark.parametrize("mode", [Mode.eval, Mode.chip_inference])
def test_statistics_of_the_training_table_need_a_mode_that_reads_it(mode):
    with pytest.raises(
        ConfigError, match=rf"auto needs a training table, which mode={mode.value} does not read; remove"
    ):
        resolve(replace(settings(mean="auto"), mode=mode))


def test_resolving_twice_changes_nothing():
    once = resolve(settings(sensor="sentinel2_l2a", band_names=["B8A", "B04"]))
    assert resolve(once) == once


def test_a_band_without_statistics_is_named_and_stats_needs_none():
    data = {"sensor": "sentinel2_l2a", "band_names": ["RED", "RED_EDGE_1", "B09"]}
    with pytest.raises(ConfigError, match=r"no default for the bands RED_EDGE_1, WATER_VAPOR; compute .* mode=stats"):
        resolved(**data)
    found = resolve(settings(**data), normalized=False).dataloader
    assert (found.mean, found.bands) == (None, [3, 4, 9])


def test_an_unknown_band_is_one_sentence():
    with pytest.raises(ConfigError, match=r"^dataloader\.band_names: the sensor has no band NIR; it has [^\n]*$"):
        resolved(sensor="landsat8_c2", band_names=["RED", "NIR"])


@pytest.mark.parametrize("mean", [0.14, 1.9])
def test_statistics_in_another_unit_than_the_sensors_are_refused(mean):  # pitfall 12
    with pytest.raises(ConfigError, match=r"dataloader\.sensor=sentinel2_l1c gives reflectance x 10000, but .*mean="):
        resolved(sensor="sentinel2_l1c", mean=[mean] * 6, std=[0.04] * 6)
    assert resolved(sensor="sentinel2_l1c", mean=[1400] * 6, std=[400] * 6).mean == [1400] * 6
    assert resolved(mean=[mean] * 6, std=[0.04] * 6).mean == [mean] * 6


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({}, PRITHVI_BANDS),
        ({"bands": [1, 2, 3, 8, 11, 12]}, PRITHVI_BANDS),
        ({"bands": list(range(12)), "temporal_dim": 2}, PRITHVI_BANDS),
        ({"bands": [0, 1, 2, 3], "temporal_dim": 2}, ("BAND_1", "BAND_2")),
        ({"mean": [1, 2, 3], "std": [1, 1, 1]}, ("BAND_1", "BAND_2", "BAND_3")),
        ({"band_names": ["NIR", "RED"]}, ("NIR", "RED")),
    ],
)
def test_names_of_bands(data, expected):  # pitfall 14
    assert band_names(settings(**data)) == expected


STATISTICS = {"mean": [1, 2], "std": [1, 1]}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"band_names": ["RED"], **STATISTICS}, r"band_names=\['RED'\] does not work; expected 2 names, one per mean"),
        ({"band_names": ["RED", "RED"]}, "expected a different name for each band"),
        ({"band_names": []}, "expected a different name for each band"),
        ({"bands": [0, 1, 2], **STATISTICS}, r"expected 2 positions: 1 date \(dataloader\.temporal_dim\) of 2 bands"),
        ({"bands": [0, 1], "temporal_dim": 2, **STATISTICS}, r"expected 4 positions: 2 dates .*temporal_dim\) of 2"),
        ({"bands": [0, 1, 2], "band_names": ["RED"]}, r"expected 1 position: 1 date \(dataloader\.temporal_dim\) of 1"),
        ({"bands": [0, 1, 2], "temporal_dim": 2}, r"expected as many for each of 2 dates"),
        ({"bands": []}, "expected different positions from 0"),
        ({"bands": [0, -1]}, "expected different positions from 0"),
        ({"mean": [1, 2]}, r"dataloader\.std=None does not work; expected values, as for dataloader\.mean"),
        ({"std": [1, 2]}, r"dataloader\.mean=None does not work; expected values, as for dataloader\.std"),
        ({"mean": [1, 2], "std": [1]}, r"expected as many values as dataloader\.mean, 2"),
        ({"mean": [1], "std": [0]}, "expected finite values above 0"),
        ({"constant_offset": float("nan")}, r"dataloader\.constant_offset=nan does not work; expected a finite number"),
    ],
)
def test_names_positions_statistics_and_dates_must_fit_each_other(data, words):
    with pytest.raises(ConfigError, match=words):
        DataSettings(**data)


def test_the_log_names_the_layers_of_each_date():  # pitfall 17
    ready = resolve(settings(sensor="sentinel2_l2a", band_names=["B04", "B8A"], temporal_dim=2))
    assert describe_layout(ready, ready.dataloader.bands) == (
        "reading RED, NIR_NARROW as date 1: layers [3, 8]; date 2: layers [15, 20] (counted from 0)"
    )


def test_explicit_layers_with_a_sensor_need_no_names():
    data = resolved(["bands"], sensor="landsat8_c2", bands=[0, 1, 2], mean=[500, 500, 500], std=[1, 1, 1])
    assert data.bands == [0, 1, 2]
    assert data.band_names == ["BAND_1", "BAND_2", "BAND_3"]
    assert data.constant_offset == -2000


@dataclass
class Trained:
    """The settings that a checkpoint stores."""

    settings: dict
    path: Path = Path("trained.ckpt")


def from_checkpoint(stored, explicit=(), **data):
    keys = frozenset(f"dataloader.{key}" for key in explicit)
    stored = {f"dataloader.{key}": value for key, value in stored.items()}
    given = {"band_names": list(PRITHVI_BANDS), "mean": [1000] * 6, "std": [1] * 6, "temporal_dim": 1}
    checkpoint = Trained({**{f"dataloader.{key}": value for key, value in given.items()}, **stored})
    return resolve(settings(**data), keys, checkpoint=checkpoint).dataloader


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({}, 6),
        ({"temporal_dim": 3}, 18),
        ({"band_names": ["RED", "NIR_NARROW"], "temporal_dim": 2}, 4),
        ({"sensor": "sentinel2_l2a"}, 12),
        ({"sensor": "landsat8_c2"}, 7),
        ({"sensor": "landsat8_c2", "temporal_dim": 2, "band_names": ["RED"]}, 14),
    ],
)
def test_a_file_is_expected_to_have_the_layers_of_its_product_or_of_the_bands(data, expected):  # pitfall 75
    ready = resolved(**data)
    assert (ready.num_layers, ready.bands_given) == (expected, False)


def test_listed_layers_may_be_of_any_file():  # pitfall 75
    ready = resolved(["bands"], bands=[1, 2, 3, 8, 11, 12])
    assert (ready.num_layers, ready.bands_given) == (None, True)


@pytest.mark.parametrize(
    ("stored", "explicit", "data", "expected"),
    [
        ({"bands": [1, 2, 3, 8, 11, 12], "num_layers": 13}, [], {}, (13, False)),
        ({"bands": [1, 2, 3, 8, 11, 12], "num_layers": 13}, ["bands"], {"bands": [0, 1, 2, 3, 4, 5]}, (13, True)),
        ({"bands": [1, 2, 3, 8, 11, 12], "num_layers": 13}, ["bands"], {"bands": None}, (6, False)),
        ({"bands": None, "num_layers": 6}, [], {}, (6, False)),
        ({"bands": None, "num_layers": 6}, ["sensor"], {"sensor": "sentinel2_l2a"}, (12, False)),
        ({"bands": [1, 2, 3, 8, 11, 12]}, [], {}, (None, False)),  # written before the number was stored
        ({"bands": [0, 1, 2, 3, 4, 5]}, [], {}, (6, False)),
        ({}, [], {}, (6, False)),
    ],
)
def test_a_model_expects_files_like_those_it_was_trained_on(stored, explicit, data, expected):  # pitfall 75
    ready = from_checkpoint(stored, explicit, **data)
    assert (ready.num_layers, ready.bands_given) == expected


def test_the_unit_of_tags_is_known_from_the_sensor_and_the_checkpoint():  # pitfall 77
    assert resolved().tag_factor is None
    assert resolved(sensor="landsat8_c2").tag_factor == 10_000
    assert resolved(["constant_offset"], sensor="landsat8_c2", constant_offset=0.0).tag_factor is None
    assert from_checkpoint({"tag_factor": 100.0}).tag_factor == 100
    assert from_checkpoint({"tag_factor": 100.0}, ["sensor"], sensor="landsat8_c2").tag_factor == 10_000


@pytest.mark.parametrize(
    ("explicit", "data", "words"),
    [
        (["band_names"], {"band_names": ["REDD", "BLUE"]}, "unknown band REDD; did you mean RED?"),
        (["bands"], {"bands": [0, 1], "bands_by_name": True}, "dataloader.bands and dataloader.bands_by_name=true"),
        ([], {"band_names": ["X", "RED"], "bands_by_name": True}, "needs names of bands, but X is not one"),
    ],
)
def test_names_that_cannot_be_used_are_refused(explicit, data, words):  # pitfall 76
    with pytest.raises(ConfigError) as caught:
        resolved(explicit, **data)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"label_layer": -1}, "dataloader.label_layer=-1 does not work; expected a layer counted from 0"),
        ({"label_layer": "first"}, "dataloader.label_layer=first does not work"),
        ({"label_layer": 0, "label_colors": ["#000000"]}, "expected null with dataloader.label_colors"),
        ({"label_colors": ["blue"]}, "dataloader.label_colors: blue is not a colour"),
        ({"label_colors": ["#0000ff", "0000FF"]}, "expected different colours"),
        ({"label_colors": []}, "expected different colours"),
        ({"num_layers": 0}, "expected at least 1 layer, or null"),
    ],
)
def test_layers_of_files_that_cannot_be_used_are_refused(data, words):
    with pytest.raises(ConfigError) as caught:
        DataSettings(**data)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("trained", "sensor", "warned"),
    [
        ("surface", "sentinel2_l1c", True),
        ("toa", "hls_s30", True),
        ("surface", "sentinel2_l2a", False),
        ("toa", "sentinel2_l1c", False),
        (None, "sentinel2_l1c", False),  # unknown
        ("surface", None, False),
    ],
)
def test_another_processing_level_than_that_of_the_training_is_told(trained, sensor, warned, caplog):
    stored = {"dataloader.processing_level": trained, "dataloader.band_names": list(PRITHVI_BANDS)}
    checkpoint = SimpleNamespace(path=Path("model.ckpt"), settings=stored)
    explicit = frozenset({"dataloader.sensor"} if sensor else ())
    settings_used = resolve(settings(sensor=sensor), explicit, checkpoint=checkpoint)
    sentences = [message for message in caplog.messages if "was trained on" in message]
    assert len(sentences) == warned
    if warned:
        assert f"dataloader.sensor={sensor} is" in sentences[0]
        assert "dataloader.augmentations.haze.use=true" in sentences[0]
    assert settings_used.dataloader.processing_level == (find_sensor(sensor).level if sensor else trained)


@pytest.mark.parametrize(
    ("label_kind", "explicit", "head"),
    [("raster", (), "conv"), ("chip", (), "pooled"), ("raster", ("model.head",), "light")],
)
def test_convolutional_networks_bring_their_own_head_unless_the_user_names_one(label_kind, explicit, head):
    given = settings("conv_micro", label_kind=LabelKind(label_kind))
    assert resolve(given, frozenset(explicit)).model.head == head
