"""Progress where there is no terminal: log lines from time to time, with the time left."""

import logging
from types import SimpleNamespace

import pytest

from instageo.runtime import progress
from instageo.runtime.progress import ProgressLog, format_duration, track


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test moves."""
    now = [1000.0]
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (75, "1:15"), (3725, "1:02:05"), (360_000, "100:00:00")]
)
def test_durations(seconds, text):
    assert format_duration(seconds) == text


def test_lines_say_how_far_and_how_long(clock, caplog):
    caplog.set_level(logging.INFO)
    shown = ProgressLog("predicting", 400, interval_s=30)
    for done in range(1, 401):
        clock[0] += 1
        shown.update(done, ", loss 0.5" if done == 60 else "")
    # 1 s each: after 30 s 370 s are left, after 60 s 340 s, …; none when all is done
    assert caplog.messages[:2] == [
        "predicting: 30 of 400, about 6:10 left",
        "predicting: 60 of 400, loss 0.5, about 5:40 left",
    ]
    assert len(caplog.messages) == 13


def test_short_work_is_not_logged(clock, caplog):
    caplog.set_level(logging.INFO)
    assert list(track(range(5), "scoring", 5)) == [0, 1, 2, 3, 4]
    assert not caplog.messages


def test_long_work_is_logged_while_it_goes_on(clock, caplog):
    caplog.set_level(logging.INFO)

    def slow():
        for number in range(3):
            clock[0] += 40
            yield number

    assert list(track(slow(), "scoring", 3)) == [0, 1, 2]
    assert caplog.messages == ["scoring: 1 of 3, about 1:20 left", "scoring: 2 of 3, about 0:40 left"]
