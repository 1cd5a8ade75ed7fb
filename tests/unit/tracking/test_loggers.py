"""Loggers: which are chosen, what is refused at once, and what happens when a server goes away."""

import logging
import sys

import pytest

from instageo.errors import ConfigError, MissingExtraError
from instageo.model.settings import Settings, TrackingSettings
from instageo.model.settings.tracking import TrackingMode, chosen_loggers
from instageo.model.tracking.loggers import build_loggers, check_loggers_available, finalize_loggers
from instageo.model.tracking.mlflow_tracker import server_of
from instageo.model.tracking.resilient_logger import PATIENCE, ResilientLogger
from instageo.model.tracking.wandb_tracker import mode_of, refuse_wandb


class Flaky:
    """A tracker whose server answers when `up`."""

    def __init__(self):
        self.up, self.asked, self.kept = True, 0, []

    def log_metrics(self, metrics, step=None):
        self.asked += 1
        if not self.up:
            raise ConnectionError("refused\nmore")
        self.kept.append((step, metrics))

    def conclude(self, scores, checkpoint, *, upload):
        self.kept.append((scores, checkpoint, upload))


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
def test_a_tracker_that_is_not_installed_is_told_in_a_sentence(name, monkeypatch):  # pitfall 37
    for module in [module for module in sys.modules if module.partition(".")[0] == name]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=rf"logger={name} needs {name}.*instageo-model\[{name}\]"):
        check_loggers_available(Settings(logger=name, tracking=TrackingSettings(uri="http://127.0.0.1:9")))


def test_mlflow_needs_a_server(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(ConfigError, match="logger=mlflow needs a server"):
        check_loggers_available(Settings(logger="mlflow"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://a")
    assert server_of(TrackingSettings()) == "http://a"
    assert server_of(TrackingSettings(uri="http://b")) == "http://b"


def test_weights_and_biases_stays_offline_without_a_key(monkeypatch):  # pitfall 37
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    assert mode_of(TrackingSettings()) == "offline"
    monkeypatch.setenv("WANDB_API_KEY", "a")
    assert mode_of(TrackingSettings()) == "online"
    assert mode_of(TrackingSettings(mode=TrackingMode.offline)) == "offline"
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert mode_of(TrackingSettings()) == "offline"
    assert mode_of(TrackingSettings(mode=TrackingMode.online)) == "online"


def test_a_server_that_goes_away_is_told_once_and_asked_again(caplog):
    tracker = Flaky()
    logger = ResilientLogger("mlflow", tracker, (OSError,))
    logger.log_metrics({"a": 1.0}, 1)
    tracker.up = False
    logger.log_metrics({"a": 2.0}, 2)
    logger.log_metrics({"a": 3.0}, 3)
    tracker.up = True
    logger.log_metrics({"a": 4.0}, 4)
    assert [step for step, _ in tracker.kept] == [1, 4]
    told = [line.getMessage() for line in caplog.records if line.levelno == logging.WARNING]
    assert told == ["logger=mlflow lacks a part of this run: refused; training goes on, history.csv has every epoch"]


def test_a_server_that_stays_away_is_left_alone():
    tracker = Flaky()
    tracker.up = False
    logger = ResilientLogger("mlflow", tracker, (OSError,))
    for step in range(20):
        logger.log_metrics({}, step)
    assert tracker.asked == PATIENCE


def test_a_mistake_in_the_program_is_not_taken_for_a_server_that_is_gone():  # pitfall 39
    logger = ResilientLogger("mlflow", Flaky(), (OSError,))
    with pytest.raises(AttributeError):
        logger.finalize("success")


def test_trackers_are_told_what_a_run_came_to(tmp_path):
    tracker = Flaky()
    finalize_loggers([ResilientLogger("wandb", tracker, ())], {"mIoU": 0.5}, tmp_path, upload=True)
    assert tracker.kept == [({"mIoU": 0.5}, tmp_path, True)]


@pytest.mark.slow
def test_weights_and_biases_online_without_a_key_is_refused_without_asking(monkeypatch, tmp_path):  # pitfall 37
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="needs a key of Weights & Biases"):
        refuse_wandb(TrackingSettings(mode=TrackingMode.online))
