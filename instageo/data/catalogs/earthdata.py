"""Files behind NASA's Earthdata login: LP DAAC."""

import atexit
import os
import shutil
import tempfile
import threading
from pathlib import Path
from urllib.parse import urlsplit

from instageo.data.catalogs.access import PlainAccess

HOSTS = (".earthdata.nasa.gov", ".earthdatacloud.nasa.gov", "e4ftl01.cr.usgs.gov")
"""Hosts that ask for the login; the token is sent to no other."""


class EarthdataAccess(PlainAccess):
    """Logs in by `EARTHDATA_TOKEN`, or by the entry of urs.earthdata.nasa.gov in `~/.netrc`.

    The server sets cookies and redirects to another host. Cookies lie in a private folder that is removed when the
    program ends. The token is given to GDAL as a bearer of libcurl, which does not send it on to another host.
    """

    advice = (
        "; log in to Earthdata with EARTHDATA_TOKEN or an entry of urs.earthdata.nasa.gov in ~/.netrc, and accept the "
        "EULA of the product at urs.earthdata.nasa.gov"
    )

    def __init__(self, root: str, hosts: tuple[str, ...] = HOSTS) -> None:
        super().__init__(root)
        self._hosts, self._lock = hosts, threading.Lock()
        self._folder: Path | None = None

    def gdal_options(self, href: str) -> dict[str, str]:
        """Return places for cookies, and the token for Earthdata's own hosts."""
        cookies = str(self._cookies() / "cookies")
        options = {"GDAL_HTTP_COOKIEFILE": cookies, "GDAL_HTTP_COOKIEJAR": cookies}
        token = os.environ.get("EARTHDATA_TOKEN", "").strip()
        parts = urlsplit(href)
        if token and parts.scheme == "https" and (parts.hostname or "").endswith(self._hosts):
            options |= {"GDAL_HTTP_AUTH": "BEARER", "GDAL_HTTP_BEARER": token}
        return options

    def explain(self, href: str, reason: str) -> str:
        """Return the address, the reason, and how to log in if that may help."""
        lost = any(
            word in reason.lower() for word in ("denied", "401", "403", "302", "html", "tiff", "format", "login")
        )
        return super().explain(href, reason) if lost else PlainAccess(self.root).explain(href, reason)

    def _cookies(self) -> Path:
        with self._lock:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="instageo-login-"))  # readable by this user alone
                atexit.register(shutil.rmtree, self._folder, ignore_errors=True)
            return self._folder
