"""What happens to training when a tracker's server goes away."""

import logging

import pytest

from instageo.model.tracking.loggers import finalize_loggers
from instageo.model.tracking.resilient_logger import MAX_FAILURES, ResilientLogger


class FlakyTracker:
    """A tracker whose server answers while `up`."""

    def __init__(self):
        self.up, self.calls, self.stored = True, 0, []

    def log_metrics(self, metrics, step=None):
        self.calls += 1
        if not self.up:
            raise ConnectionError("refused\nmore")
        self.stored.append((step, metrics))

    def conclude(self, scores, checkpoint, *, upload):
        self.stored.append((scores, checkpoint, upload))


def test_a_server_that_goes_away_is_reported_once_and_tried_again(caplog):
    tracker = FlakyTracker()
    logger = ResilientLogger("mlflow", tracker, (OSError,))
    logger.log_metrics({"a": 1.0}, 1)
    tracker.up = False
    logger.log_metrics({"a": 2.0}, 2)
    logger.log_metrics({"a": 3.0}, 3)
    tracker.up = True
    logger.log_metrics({"a": 4.0}, 4)
    assert [step for step, _ in tracker.stored] == [1, 4]
    warnings = [line.getMessage() for line in caplog.records if line.levelno == logging.WARNING]
    assert warnings == [
        "logger=mlflow: a part of this run was not recorded (refused); training goes on, history.csv has every epoch"
    ]


def test_a_server_that_stays_away_is_not_called_any_more():
    tracker = FlakyTracker()
    tracker.up = False
    logger = ResilientLogger("mlflow", tracker, (OSError,))
    for step in range(20):
        logger.log_metrics({}, step)
    assert tracker.calls == MAX_FAILURES


def test_a_bug_is_not_taken_for_an_unreachable_server():  # pitfall 39
    logger = ResilientLogger("mlflow", FlakyTracker(), (OSError,))
    with pytest.raises(AttributeError):
        logger.finalize("success")


def test_trackers_get_the_final_scores(tmp_path):
    tracker = FlakyTracker()
    finalize_loggers([ResilientLogger("wandb", tracker, ())], {"mIoU": 0.5}, tmp_path, upload=True)
    assert tracker.stored == [({"mIoU": 0.5}, tmp_path, True)]
