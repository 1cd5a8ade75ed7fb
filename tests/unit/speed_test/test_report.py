"""Shares and costs by hand."""

import json
import os

import pytest

from instageo.errors import ConfigError
from instageo.model.backends.backend import BackendChoice
from instageo.model.backends.trial import TrialFigures
from instageo.model.speed_test.measurement import SpeedTest
from instageo.model.speed_test.report import print_speed, report_backends, speed_json
from instageo.model.speed_test.run_speed_test import SpeedRequest

TEST = SpeedTest(
    tile=(100, 100), share_new=0.5, resolution_m=10.0, threads=2, reading=100.0,
    networks=[TrialFigures(BackendChoice("torch", "f32"), 80.0, 1.0)], writing=100.0, failures={"openvino bf16": "no"},
)  # fmt: skip
"""A chip of ground takes a core 10 ms to read and to write, and two cores 25 ms (80 tiles, half of each is new)."""


def test_shares_and_cost():
    [report] = report_backends(TEST, price_per_hour=3.6)
    assert report.network == 40
    assert report.total == pytest.approx(2 / 0.07)
    assert report.shares == pytest.approx({"reading": 1 / 7, "network": 5 / 7, "writing": 1 / 7})
    assert report.hours == pytest.approx(1e6 * 0.035 / 3600)  # a million chips of 1 km² at 35 ms
    assert report.cost == pytest.approx(35)


def test_json_and_table(capsys):
    reports = report_backends(TEST, None)
    content = json.loads(speed_json(TEST, reports))
    assert content["backends"][0]["network"] == 40
    assert content["backends"][0]["cost"] is None
    assert content["not_measured"] == {"openvino bf16": "no"}
    print_speed(TEST, reports)
    assert "openvino bf16 was not measured: no" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["tile", "threads", "seconds", "price_per_hour", "resolution_m"])
def test_numbers_above_zero(name):
    with pytest.raises(ConfigError, match=f"--{name.replace('_', '-')} is 0; expected a number above 0"):
        SpeedRequest("model", **{name: 0})


def test_no_more_threads_than_cores():
    cores = os.cpu_count()
    assert SpeedRequest("model", threads=cores).threads == cores
    with pytest.raises(ConfigError, match=f"--threads is 100000; expected at most {cores}, the cores of this machine"):
        SpeedRequest("model", threads=100_000)


@pytest.mark.parametrize("name", ["seconds", "price_per_hour", "resolution_m"])
def test_no_endless_numbers(name):
    with pytest.raises(ConfigError, match="is inf; expected a number above 0"):
        SpeedRequest("model", **{name: float("inf")})
