"""Trying again what a busy server or a broken connection made fail."""

import logging
import random
import re
import time
from collections.abc import Callable
from typing import TypeVar

log = logging.getLogger(__name__)

Result = TypeVar("Result")

ATTEMPTS = 8
"""How often at the most: with the waits between, about a minute of a busy server is sat out."""

UNREACHED = 3
"""The same where no connection comes about, since a mistyped host is told soon."""

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 15.0
"""Waits double from the first to the longest; of each between half and all is waited, so that not all come back at
once."""

_STATUS = re.compile(r"status code: (\d{3})")
_PASSING = ("408", "429", "5")


def retry(work: Callable[[], Result], what: str, failure: type[Exception]) -> Result:
    """The result of work that may fail for a while.

    Args:
        work: Done again from its start after a failure that may pass.
        what: The file, for the log.
        failure: What is raised then; an HTTP status other than 408, 429 and 5xx in its text does not pass.

    Raises:
        failure: The last one, after all attempts.
    """
    attempt = 1
    while True:
        try:
            return work()
        except failure as error:
            if not is_transient(error) or attempt >= (UNREACHED if "kind: Connect" in str(error) else ATTEMPTS):
                raise
            wait = min(FIRST_WAIT_S * 2 ** (attempt - 1), LONGEST_WAIT_S) * random.uniform(0.5, 1)  # noqa: S311
            log.info("%s: %s; trying again in %.1f s", what, failure_reason(error), wait)
        time.sleep(wait)
        attempt += 1


def is_transient(error: Exception) -> bool:
    """Whether trying again may help: no answer, a broken one, or one that asks to wait."""
    status = _STATUS.search(str(error))
    return status is None or status[1].startswith(_PASSING)


def failure_reason(error: Exception) -> str:
    """A few words on what went wrong."""
    status = _STATUS.search(str(error))
    return f"the store answers {status[1]}" if status else "the connection broke or did not come about"
