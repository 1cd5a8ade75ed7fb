"""Files of the Planetary Computer, which need a token for each container of Azure."""

import os
import threading
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from instageo.data.catalogs.access import PlainAccess, without_query
from instageo.data.catalogs.http import StacSession
from instageo.data.catalogs.trust import check_address
from instageo.errors import DataError
from instageo.locations import is_remote

TOKENS = "https://planetarycomputer.microsoft.com/api/sas/v1/token"
STORAGE = ".blob.core.windows.net"
KEY = "PC_SDK_SUBSCRIPTION_KEY"

RENEW_BEFORE = timedelta(minutes=5)
"""A token is replaced this long before it expires."""


class PlanetaryAccess(PlainAccess):
    """Signs addresses with one token for each container, which is renewed before it expires; safe in threads.

    Args:
        root: URL of the catalogue.
        tokens: URL that gives tokens, to which account and container are added.
        storage: End of the host names whose files need a token.
    """

    def __init__(self, root: str, tokens: str = TOKENS, storage: str = STORAGE) -> None:
        super().__init__(root)
        self._tokens, self._storage = tokens.rstrip("/"), storage
        self._known: dict[str, tuple[str, datetime]] = {}
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        key = os.environ.get(KEY)
        self._session = StacSession(tokens, headers={"Ocp-Apim-Subscription-Key": key} if key else {})

    def location(self, href: str, *, renew: bool = False) -> str:
        """Return the address with a token, which nobody should store or show.

        Args:
            href: Address; those of other hosts stay as they are.
            renew: Whether the server has refused the token, so that another one is needed.

        Raises:
            DataError: The server gives no token.
        """
        address = without_query(check_address(href, self.root))
        container = self._container(address)
        return f"{address}?{self._token(container, renew=renew)}" if container else href

    def explain(self, href: str, reason: str) -> str:
        """Return the address, the reason, and what to do if access is denied."""
        denied = "denied" in reason or "403" in reason or "401" in reason
        advice = f"; set {KEY} if this collection needs an account" if denied else ""
        return f"{without_query(href)}: {reason}{advice}"

    def _container(self, address: str) -> str:
        """Return account and container of a file, `account/container`; empty for other hosts."""
        parts = urlsplit(address)
        if not is_remote(address) or not parts.netloc.endswith(self._storage):
            return ""
        return f"{parts.netloc.removesuffix(self._storage)}/{parts.path.strip('/').partition('/')[0]}"

    def _token(self, container: str, *, renew: bool) -> str:
        with self._lock:
            lock = self._locks.setdefault(container, threading.Lock())
            before = self._known.get(container)
        with lock:
            cached = self._known.get(container)
            refused = renew and cached == before
            if cached is None or refused or datetime.now(UTC) >= cached[1] - RENEW_BEFORE:
                cached = self._known[container] = self._request(container)
        return cached[0]

    def _request(self, container: str) -> tuple[str, datetime]:
        answer = self._session.get_json(f"{self._tokens}/{container}", denied=(
            f"{container}: the Planetary Computer gives no token without an account; create one and set {KEY}"
        ))  # fmt: skip
        try:
            expiry = datetime.fromisoformat(str(answer["msft:expiry"]))
            return str(answer["token"]), expiry if expiry.tzinfo else expiry.replace(tzinfo=UTC)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{container}: the Planetary Computer's answer has no token with an expiry") from error
