"""When catalogues and servers of images that are busy are asked again, and how often; for stores see `stores.retry`."""

import random
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

WAITS_S = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Waits before a server is asked again; each is up to a quarter longer, so that clients do not ask all at once."""

MAX_RETRY_AFTER_S = 120.0
"""Longest wait that a server can ask for with Retry-After."""

BUSY = (408, 429, 500, 502, 503, 504)
"""HTTP statuses after which a server is asked again."""


def seconds_to_wait(wait: float, retry_after_s: float | None) -> float:
    """Return the seconds until the next request.

    Args:
        wait: One of `WAITS_S`.
        retry_after_s: Seconds that the server asks to wait; None if it does not say.
    """
    if retry_after_s is not None:
        return min(retry_after_s, MAX_RETRY_AFTER_S)
    return wait * random.uniform(1, 1.25)  # noqa: S311


def parse_retry_after(text: str | None, now: datetime | None = None) -> float | None:
    """Return the seconds of a Retry-After header, which holds seconds or a date; None if it holds neither.

    Examples:
        >>> parse_retry_after("120")
        120.0
    """
    with suppress(ValueError, TypeError):
        seconds = float(text or "")
        return max(seconds, 0.0) if seconds == seconds else None
    with suppress(ValueError, TypeError):
        moment = parsedate_to_datetime(text or "")
        return max((moment - (now or datetime.now(UTC))).total_seconds(), 0.0)
    return None
