from dataclasses import fields

import pytest

from instageo.data.chip_settings import ChipSettings
from instageo.data.command_line.chip_commands import FORMER, app
from instageo.data.command_line.former_flags import modern_arguments
from instageo.data.command_line.settings_command import settings_from_options
from instageo.data.sources.sources import SOURCES, find_source
from instageo.errors import ConfigError


def today(arguments):
    return modern_arguments(ChipSettings, arguments, FORMER)


def test_former_flags_are_those_of_today():
    former = [
        "--dataframe_path=p.csv",
        "--output_directory=out",
        "--data_source=S2",
        "--chip-size=64",
        "--num_steps",
        "3",
    ]
    assert today(former) == ["p.csv", "--output=out", "--source=S2", "--size=64", "--steps=3"]
    assert today(["--mask_types=cloud,water", "--masking_strategy=any", "--src_crs=32632"]) == [
        "--mask=cloud,water", "--mask-strategy=any", "--crs=32632",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("--shift_to_month_start", "--month-start"), ("--noshift_to_month_start", "--no-month-start"),
        ("--shift_to_month_start=false", "--no-month-start"), ("--daytime_only=True", "--daytime-only"),
        ("--nodaytime_only", "--no-daytime-only"), ("--is_time_series_task=false", "--when=around"),
        ("--is_time_series_task", "--when=before"),
    ],
)  # fmt: skip
def test_flags_are_set_and_unset_in_every_way(argument, expected):
    assert today([argument]) == [expected]


def test_former_options_without_effect_are_accepted_and_say_so(capsys):
    former = ["--processing_method=download-only", "--spatial_resolution=0.0002", "--qa_check", "--num_steps=2"]
    assert today(former) == ["--steps=2"]
    notes = capsys.readouterr().err.splitlines()
    assert [note.split(": ")[1] for note in notes] == ["--processing_method", "--spatial_resolution", "--qa_check"]


def test_a_flag_is_true_or_false():
    with pytest.raises(ConfigError, match="--daytime_only=perhaps does not work; expected true or false"):
        today(["--daytime_only=perhaps"])


def test_options_become_settings():
    values = {"input": "p.csv", "output": "out", "bands": "BLUE, RED", "assets": "BLUE=blue,quality=scl", "size": 64}
    settings = settings_from_options(ChipSettings, values)
    assert settings == ChipSettings(
        "p.csv", "out", bands=("BLUE", "RED"), assets={"BLUE": "blue", "quality": "scl"}, size=64
    )
    with pytest.raises(ConfigError, match="expected BAND=ASSET pairs"):
        settings_from_options(ChipSettings, values | {"assets": "BLUE"})


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"size": 0}, "size=0 does not work; expected 1 to 4096 pixels"),
        ({"steps": 2, "step_days": 10, "tolerance_days": 5}, "the periods of two dates overlap"),  # pitfall 50
        ({"min_clear": 1.5}, "min_clear=1.5 does not work; expected a share from 0 to 1"),
    ],
)
def test_settings_that_cannot_work_are_refused(values, words):
    with pytest.raises(ConfigError, match=words):
        ChipSettings("p.csv", "out", **values)


def test_products_are_named_in_the_help_and_checked():
    [text] = [entry.metadata["help"] for entry in fields(ChipSettings) if entry.name == "source"]
    assert [name for name in SOURCES if name not in text] == []
    assert ChipSettings("p.csv", "out", source="S1").source == "sentinel1"
    with pytest.raises(ConfigError, match=r"source=sentinel is unknown; choose one of hls, .* did you mean sentinel2"):
        find_source("sentinel")


def test_the_module_commands_reach_the_same_command(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = today([*FORMER.defaults, "--dataframe_path=none.csv", "--output_directory=out"])
    with pytest.raises(Exception, match=r"none.csv: does not exist"):
        app(["points", *arguments])
    assert not (tmp_path / "out").exists()
