"""Tables bring settings in a file beside them: defaults below the user's, plain values of known keys alone."""

import json
import logging

import pytest

from instageo.errors import ConfigError
from instageo.model.settings import Settings
from instageo.model.settings.compose import update_settings
from instageo.model.settings.keywords import settings_from_keywords
from instageo.model.settings.resolve import resolve
from instageo.model.settings.table_settings import first_with_settings, read_table_settings, tables_of_mode

RADAR = {"sensor": "sentinel1_rtc", "band_names": ["VV", "VH"], "temporal_dim": 2, "no_data_value": -9999}


@pytest.fixture
def table(tmp_path):
    """Return a function that writes a table with settings beside it, and returns its path."""

    def write(data=None, name="chips", **sections):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / "chips.csv").write_text("Input,Label\nchip.tif,label.tif\n")
        content = sections if data is None else {"dataloader": data, **sections}
        (folder / "settings.json").write_text(json.dumps(content))
        return str(folder / "chips.csv")

    return write


def brought(*tables, **given):
    values = {key.replace("__", "."): value for key, value in given.items()}
    return read_table_settings(update_settings(Settings(), values), frozenset(values), tables)


def test_a_table_says_how_its_chips_are_read(table, caplog):
    with caplog.at_level(logging.INFO):
        found = brought(table(RADAR, label={"kind": "value", "ignore": -5}, version="1"))
    assert found == {f"dataloader.{key}": value for key, value in RADAR.items()} | {
        "dataloader.bands": None, "dataloader.num_layers": 4, "dataloader.label_kind": "chip", "train.ignore_index": -5,
    }  # fmt: skip
    [line] = caplog.messages
    assert "settings.json: dataloader.sensor=sentinel1_rtc, dataloader.band_names=['VV', 'VH']" in line


@pytest.mark.parametrize("sections", [{}, {"label": {"kind": "value"}}, {"editor.fontSize": 12}])
def test_files_without_the_section_bring_nothing(table, sections):
    assert brought(table(**sections)) == {}


@pytest.mark.parametrize("text", ["// a comment\n{}", "[1]", "\xff", "[" * 100, " " * (2 << 20) + "{}"])
def test_other_files_of_that_name_are_ignored(table, tmp_path, text):
    path = table()
    (tmp_path / "chips" / "settings.json").write_bytes(text.encode("latin-1"))
    assert brought(path) == {}


def test_nan_means_no_further_no_data_value(table):
    both = table({"no_data_value": float("nan")}), table({"no_data_value": float("nan")}, name="other")
    assert brought(*both) == {"dataloader.no_data_value": None}


def test_no_file_no_table_and_no_place_bring_nothing(tmp_path):
    (tmp_path / "chips.csv").write_text("Input\n")
    assert brought(str(tmp_path / "chips.csv"), "absent.csv", "DataFrame", "/vsimem/chips.csv") == {}


def test_a_table_below_root_dir_is_found(table, tmp_path):
    table(RADAR)
    assert brought("chips/chips.csv", root_dir=str(tmp_path))["dataloader.sensor"] == "sentinel1_rtc"


def test_a_remote_table_brings_settings_too(store):
    folder, url = store
    (folder / "settings.json").write_text(json.dumps({"dataloader": {"temporal_dim": 3}}))
    assert brought(f"{url}/chips.csv") == {"dataloader.temporal_dim": 3}
    assert brought(f"{url}/other/chips.csv") == {}


def test_what_the_user_sets_takes_precedence(table):
    found = brought(table(RADAR), dataloader__temporal_dim=1, dataloader__no_data_value=0.0)
    assert "dataloader.temporal_dim" not in found
    assert "dataloader.no_data_value" not in found
    assert found["dataloader.num_layers"] == 2


def test_bands_of_the_users_are_chosen_among_those_of_the_table(table):
    found = brought(table(RADAR), dataloader__band_names=["VH"])
    assert (found["dataloader.bands"], found["dataloader.num_layers"]) == ([1, 3], 4)


def test_a_sensor_of_the_users_replaces_layers_and_unit(table):
    found = brought(table(RADAR | {"constant_multiplier": 2.0}), dataloader__sensor="hls_s30")
    assert found == {"dataloader.temporal_dim": 2}


def test_files_hold_the_named_bands_and_not_the_whole_product(table):
    path = table({"sensor": "hls_s30", "band_names": ["RED", "BLUE"], "temporal_dim": 2})
    settings = settings_from_keywords({}, tables=[path])
    data = settings.dataloader
    assert (data.bands, data.num_layers, data.no_data_value, data.bands_given) == (None, 4, -9999, False)
    decided = settings_from_keywords({}, tables=[table({"sensor": "hls_s30"}, name="whole")]).dataloader
    assert decided.num_layers == 13


def test_resolved_settings_are_those_that_the_user_could_have_passed(table):
    values = {"dataloader.sensor": "sentinel1_rtc", "dataloader.temporal_dim": 2}
    own = resolve(update_settings(Settings(), values), frozenset(values), normalized=False).dataloader
    read = settings_from_keywords({}, tables=[table(RADAR)]).dataloader
    for name in ("sensor", "radar_unit", "band_names", "num_layers", "temporal_dim", "tag_factor", "no_data_value"):
        assert getattr(read, name) == getattr(own, name)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (["sensor"], "dataloader is a list; expected settings by name"),
        ({"augmentations": {}}, "a table may not bring dataloader.augmentations; expected sensor, "),
        ({"sensor": "${oc.env:HOME}"}, "is not a plain value"),
        ({"band_names": ["VV", "${oc.env:HOME}"]}, "is not a plain value"),
        ({"band_names": [["VV"]]}, "is not a plain value"),
        ({"no_data_value": {"a": 1}}, "is not a plain value"),
        ({"sensor": "x" * 101}, "is not a plain value"),
        ({"bands": [0] * 100_001}, "is not a plain value"),
    ],
)
def test_data_choose_nothing_but_plain_values_of_known_settings(table, data, sentence):
    with pytest.raises(ConfigError, match=r"settings.json: ") as error:
        brought(table(data))
    assert sentence in str(error.value)


@pytest.mark.parametrize(
    ("label", "sentence"),
    [
        ({"kind": "polygon"}, "label.kind=polygon is unknown; expected raster or value"),
        ({"ignore": "x"}, "is not a class"),
    ],
)
def test_labels_are_of_known_kinds(table, label, sentence):
    with pytest.raises(ConfigError, match=sentence):
        brought(table(RADAR, label=label))


def test_inference_does_not_need_the_kind_of_labels(table):
    assert "dataloader.label_kind" not in brought(table(RADAR, label={"kind": "value"}), mode="chip_inference")


def test_values_are_checked_as_the_users_are(table):
    with pytest.raises(ConfigError, match=r"dataloader\.temporal_dim"):
        settings_from_keywords({}, tables=[table({"temporal_dim": -1})])


def test_tables_of_a_run_agree(table):
    first = table(RADAR)
    assert brought(first, table(RADAR, name="same")) == brought(first)
    other = table(RADAR | {"sensor": "sentinel1_grd"}, name="other")
    with pytest.raises(ConfigError, match=r"chips/settings.json has dataloader.sensor=sentinel1_rtc, but .*other/"):
        brought(first, other)
    other = table(RADAR | {"no_data_value": 0}, name="other")
    assert "dataloader.no_data_value" not in brought(first, other, dataloader__no_data_value=-9999.0)


def test_modes_read_the_settings_of_their_own_tables(table):
    named = {"train_filepath": "a.csv", "valid_filepath": "b.csv", "test_filepath": "c.csv"}
    expected = {"train": "ab", "lr_find": "ab", "eval": "c", "chip_inference": "c", "stats": "a", "check": "abc"}
    for mode, names in expected.items():
        settings = update_settings(Settings(), named | {"mode": mode})
        assert tables_of_mode(settings) == [f"{name}.csv" for name in names]


def test_tiles_keep_the_size_of_the_training(table):
    path = table(RADAR | {"img_size": 64})
    assert brought(path)["dataloader.img_size"] == 64
    assert "dataloader.img_size" not in brought(path, checkpoint_path="model.ckpt")


def test_the_first_table_with_settings(table, tmp_path):
    (tmp_path / "plain.csv").write_text("Input\n")
    with_settings = table(RADAR)
    assert first_with_settings([str(tmp_path / "plain.csv"), with_settings], None) == with_settings
    assert first_with_settings([str(tmp_path / "plain.csv")], None) is None
