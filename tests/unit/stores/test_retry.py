"""Retries of requests."""

from types import SimpleNamespace

import pytest

from instageo.stores import retry


class FailureError(Exception):
    """What a store's client raises."""


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("status code: 429", [0.5, 1, 2, 4, 8, 15, 15]),
        ("status code: 503", [0.5, 1, 2, 4, 8, 15, 15]),
        ("kind: Connect", [0.5, 1]),
        ("status code: 400", []),
    ],
)
def test_waits_double_up_to_a_limit(monkeypatch, message, expected):
    waits = []
    monkeypatch.setattr(retry, "time", SimpleNamespace(sleep=waits.append))
    monkeypatch.setattr(retry, "random", SimpleNamespace(uniform=lambda low, high: high))

    def fail():
        raise FailureError(message)

    with pytest.raises(FailureError, match=message):
        retry.retry(fail, "x", FailureError)
    assert waits == expected


def test_other_errors_are_not_retried(monkeypatch):
    monkeypatch.setattr(retry, "time", SimpleNamespace(sleep=lambda _: pytest.fail("waited")))
    with pytest.raises(KeyError):
        retry.retry(lambda: {}["x"], "x", FailureError)


def test_failures_are_described_by_their_status():
    assert retry.failure_reason(FailureError("status code: 503, body")) == "the store answers 503"
    assert retry.failure_reason(FailureError("reset")) == "the connection broke or could not be opened"
