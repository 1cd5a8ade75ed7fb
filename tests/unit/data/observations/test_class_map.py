"""Class maps as pairs and as tables."""

import pytest

from instageo.data.chip_settings import ChipSettings
from instageo.data.observations.class_map import read_class_map
from instageo.data.observations.from_settings import read_observations
from instageo.errors import ConfigError


def test_pairs_and_tables_say_the_same(tmp_path):
    (tmp_path / "classes.csv").write_text("code,name,class\n1,corn,0\n5,soy,1\nfield: wet,x,-1\n")
    expected = {"1": 0, "5": 1, "field: wet": -1}
    assert read_class_map("1:0, 5:1, field: wet:-1") == read_class_map(str(tmp_path / "classes.csv")) == expected
    assert read_class_map(None) == {}


@pytest.mark.parametrize(
    ("text", "problem"),
    [("1", "not a pair"), ("1:x", "not a pair"), ("1:-2", "not a pair"), ("1:²", "not a pair"),
     ("1:0,1:2", "has the classes 0 and 2"), ("a.csv", "does not exist")],
)  # fmt: skip
def test_malformed_maps_are_refused(text, problem):
    with pytest.raises(ConfigError, match=problem):
        read_class_map(text)


def test_options_describe_the_table(tmp_path):
    path = tmp_path / "points.csv"
    path.write_text("x;y;date;label\n500000,0;0,0;16.05.2024;corn\n")
    settings = ChipSettings(
        input=str(path), crs="EPSG:32632", date_format="%d.%m.%Y", decimal=",", class_map="corn:3", label_type="class"
    )
    [observation] = read_observations(settings).observations
    assert (observation.label, observation.time.day, round(observation.longitude, 9)) == (3, 16, 9)
