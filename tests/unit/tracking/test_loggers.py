"""Loggers: which are chosen, and which are rejected before any data are read."""

import sys

import pytest

from instageo.errors import ConfigError, MissingExtraError
from instageo.model.settings import Settings, TrackingSettings
from instageo.model.settings.run_settings import TrackingMode, chosen_loggers
from instageo.model.tracking import wandb_tracker
from instageo.model.tracking.loggers import build_loggers, check_loggers_available
from instageo.model.tracking.mlflow_tracker import server_uri
from instageo.model.tracking.wandb_tracker import run_mode


def test_loggers_by_name_or_as_a_list():
    assert chosen_loggers("tensorboard") == ["tensorboard"]
    assert chosen_loggers(["mlflow", "tensorboard"]) == ["mlflow", "tensorboard"]
    assert chosen_loggers("none") == chosen_loggers(None) == []
    for wrong in ("neptune", ["mlflow", "mlflow"], ["none", "mlflow"], 3):
        with pytest.raises(ConfigError, match="expected tensorboard, mlflow, wandb, none, or a list of different ones"):
            Settings(logger=wrong)
    with pytest.raises(ConfigError, match=r"tracking\.experiment"):
        TrackingSettings(experiment=" ")


def test_without_loggers_nothing_is_written(tmp_path):
    assert build_loggers(Settings(logger="none"), tmp_path) == []
    check_loggers_available(Settings(logger="none"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["mlflow", "wandb"])
def test_a_tracker_that_is_not_installed_names_its_extra(name, monkeypatch):  # pitfall 37
    for module in [module for module in sys.modules if module.partition(".")[0] == name]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=rf"logger={name} needs the package {name}.*instageo-model\[{name}\]"):
        check_loggers_available(Settings(logger=name, tracking=TrackingSettings(uri="http://127.0.0.1:9")))


def test_mlflow_needs_a_server(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(ConfigError, match="logger=mlflow needs a server"):
        check_loggers_available(Settings(logger="mlflow"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://a")
    assert server_uri(TrackingSettings()) == "http://a"
    assert server_uri(TrackingSettings(uri="http://b")) == "http://b"


def test_weights_and_biases_stays_offline_without_a_key(monkeypatch):  # pitfall 37
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    assert run_mode(TrackingSettings()) == "offline"
    monkeypatch.setenv("WANDB_API_KEY", "a")
    assert run_mode(TrackingSettings()) == "online"
    assert run_mode(TrackingSettings(mode=TrackingMode.offline)) == "offline"
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert run_mode(TrackingSettings()) == "offline"
    assert run_mode(TrackingSettings(mode=TrackingMode.online)) == "online"


@pytest.mark.slow
def test_weights_and_biases_online_without_a_key_is_rejected_without_a_prompt(monkeypatch, tmp_path):  # pitfall 37
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="needs a key of Weights & Biases"):
        wandb_tracker.check_available(TrackingSettings(mode=TrackingMode.online))
