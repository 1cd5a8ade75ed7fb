"""Retry requests to stores that are busy or break a connection; for catalogues and images see `data.retries`."""

import logging
import random
import re
import time
from collections.abc import Callable
from typing import TypeVar

log = logging.getLogger(__name__)

Result = TypeVar("Result")

MAX_ATTEMPTS = 8
"""With the waits in between, a server may be busy for about a minute."""

MAX_CONNECT_ATTEMPTS = 3
"""The same if no connection can be opened, so that a mistyped host is reported soon."""

FIRST_WAIT_S, MAX_WAIT_S = 0.5, 15.0
"""Waits double from the first to the longest; each is shortened at random to between half and all of it, so that
clients do not retry all at once."""

_STATUS = re.compile(r"status code: (\d{3})")
_TRANSIENT_STATUSES = ("408", "429", "5")


def retry(request: Callable[[], Result], location: str, failure: type[Exception]) -> Result:
    """Return the result of a request, repeated after transient failures.

    Args:
        request: Function that can be called again from its start.
        location: The file, for the log.
        failure: Exception to retry after; if its text has an HTTP status other than 408, 429 and 5xx, it is final.

    Raises:
        failure: The last one, after all attempts.
    """
    attempt = 1
    while True:
        try:
            return request()
        except failure as error:
            limit = MAX_CONNECT_ATTEMPTS if "kind: Connect" in str(error) else MAX_ATTEMPTS
            if not is_transient(error) or attempt >= limit:
                raise
            wait = min(FIRST_WAIT_S * 2 ** (attempt - 1), MAX_WAIT_S) * random.uniform(0.5, 1)  # noqa: S311
            log.info("%s: %s; trying again in %.1f s", location, failure_reason(error), wait)
        time.sleep(wait)
        attempt += 1


def is_transient(error: Exception) -> bool:
    """Return whether a retry may help: no response, a broken one, or a status that asks to wait."""
    status = _STATUS.search(str(error))
    return status is None or status[1].startswith(_TRANSIENT_STATUSES)


def failure_reason(error: Exception) -> str:
    """Return a few words on why a request failed."""
    status = _STATUS.search(str(error))
    return f"the store answers {status[1]}" if status else "the connection broke or could not be opened"
