"""Requests to catalogues: few at a time, repeated when a server is busy, with one sentence when it fails."""

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urljoin

from instageo.data import retries
from instageo.data.catalogs.trust import check_address
from instageo.errors import DataError
from instageo.extras import required_by
from instageo.locations import hide_secrets

with required_by("searching catalogues", "data"):
    import requests
    from pystac_client.stac_api_io import StacApiIO

log = logging.getLogger(__name__)

TIMEOUT_S = (10.0, 120.0)
"""Longest wait for a connection, and for the next bytes of an answer."""

Sleep = Callable[[float], None]


class CatalogError(DataError):
    """A catalogue cannot be reached, refuses, or does not answer as expected."""


class StacSession(StacApiIO):
    """Sends requests for pystac-client and counts them; safe in threads.

    Args:
        root: URL of the catalogue.
        headers: Sent with every request.
        interval_s: Shortest time between the starts of two requests.
        sleep: How to wait.
    """

    def __init__(
        self, root: str, headers: Mapping[str, str] | None = None, interval_s: float = 0.0, sleep: Sleep = time.sleep
    ) -> None:
        super().__init__(headers=dict(headers or {}), max_retries=None)
        self.root, self.requests = root, 0
        self._interval_s, self._sleep = interval_s, sleep
        self._lock, self._next = threading.Lock(), 0.0
        self.session.hooks["response"].append(self._check_redirect)

    def request(
        self,
        href: str,
        method: str | None = None,
        headers: dict[str, str] | None = None,
        parameters: dict[str, Any] | None = None,
    ) -> str:
        """Return the text of an answer.

        Raises:
            CatalogError: No answer came after all attempts, or the server refuses.
        """
        return self._send(href, (method or "GET").upper(), headers, parameters).content.decode("utf-8", "replace")

    def get_json(self, url: str, *, denied: str = "") -> Any:
        """Return the JSON of an answer.

        Args:
            url: Address.
            denied: Sentence to raise if the server answers 401 or 403.

        Raises:
            CatalogError: The server does not answer, refuses, or answers something else.
        """
        response = self._send(url, "GET", None, None, denied)
        try:
            return json.loads(response.content)
        except ValueError as error:
            raise CatalogError(f"{hide_secrets(url)}: answers with something else than JSON") from error

    def _send(self, href: str, method: str, headers: dict[str, str] | None, parameters: dict[str, Any] | None,
              denied: str = "") -> requests.Response:  # fmt: skip
        check_address(href, self.root)
        content = {"json" if method == "POST" else "params": parameters or None}
        for attempt, wait in enumerate((*retries.WAITS_S, None), start=1):
            self._wait_for_turn()
            try:
                response = self.session.request(method, href, headers=headers, timeout=TIMEOUT_S, **content)  # type: ignore[arg-type]
            except requests.RequestException as error:
                problem, asked = f"cannot be reached ({_reason(error)})", None
                final = not isinstance(error, (requests.ConnectionError, requests.Timeout,
                                               requests.exceptions.ChunkedEncodingError))  # fmt: skip
            else:
                if response.ok:
                    return response
                problem = f"answers HTTP {response.status_code}{_detail(response)}"
                asked = retries.parse_retry_after(response.headers.get("Retry-After"))
                final = response.status_code not in retries.BUSY
                if denied and response.status_code in (401, 403):
                    raise CatalogError(denied)
            if final or wait is None:
                raise CatalogError(f"{_shown(href)}: the catalogue {problem}; check the address and try again later")
            seconds = retries.seconds_to_wait(wait, asked)
            log.info("%s: %s; attempt %d follows in %.1f s", _shown(href), problem, attempt + 1, seconds)
            self._sleep(seconds)
        raise AssertionError("unreachable")  # the last attempt returns or raises

    def _check_redirect(self, response: requests.Response, **_: Any) -> None:
        """Raise a RefusedAddressError if an answer redirects to a host that the catalogue may not name."""
        if response.is_redirect:
            check_address(urljoin(response.url, response.headers["location"]), self.root)

    def _wait_for_turn(self) -> None:
        with self._lock:
            self.requests += 1
            now = time.monotonic()
            start = max(now, self._next)
            self._next = start + self._interval_s
        if start > now:
            self._sleep(start - now)


def _reason(error: Exception) -> str:
    return "no answer in time" if isinstance(error, requests.Timeout) else "no connection, or a broken one"


def _detail(response: requests.Response) -> str:
    """Return a few words of an answer that refuses, if they are plain text or JSON."""
    text = " ".join(response.text[:150].split())
    return "" if not text or text.startswith("<") else f" ({hide_secrets(text)})"


def _shown(href: str) -> str:
    return hide_secrets(href).partition("?")[0]
