"""What a server answers to one small request. GDAL hides the status of failed reads, and the header Retry-After."""

import logging
from dataclasses import dataclass
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from instageo.data.retries import parse_retry_after

log = logging.getLogger(__name__)

TIMEOUT_S = 15.0


@dataclass(frozen=True)
class Answer:
    """What a server answers.

    Attributes:
        status: HTTP status; None if there was no answer.
        retry_after_s: Seconds that the server asks to wait; None if it does not say.
    """

    status: int | None
    retry_after_s: float | None = None


def probe(url: str) -> Answer:
    """Ask for the first byte of a file at an http or https URL."""
    request = Request(url, headers={"Range": "bytes=0-0"})  # noqa: S310 - the caller passes http(s) alone
    try:
        with urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310  # nosec B310
            return Answer(int(response.status))
    except HTTPError as error:
        with error:
            return Answer(error.code, parse_retry_after(error.headers.get("Retry-After")))
    except (OSError, HTTPException, ValueError) as error:
        log.debug("no answer: %s", type(error).__name__)
        return Answer(None)
