"""Tell requests that pages of other sites make a browser send from those of the server's own page and of programs.

A page can have its own name resolve to this machine (DNS rebinding) and then read what the server responds. Its
requests carry that name as Host, so that without a token only the server's own names are accepted. Addresses are, too:
no page of another site has this machine's address as its name.
"""

import ipaddress
import socket
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
"""Methods that change and compute nothing."""

OWN_SITE = ("same-origin", "none")
"""Values of the header Sec-Fetch-Site for the server's own page, and for what users type."""


def is_own_host(host: str, allowed: Iterable[str] = ()) -> bool:
    """Return whether the header Host names this server: an address, localhost, this machine, or one of `allowed`.

    Args:
        host: The header's value, with or without a port.
        allowed: Further names; one that begins with `*.` stands for all names below a domain.
    """
    name = _host_name(host)
    if name is None:
        return False
    if _is_address(name) or name == "localhost" or name.endswith(".localhost"):
        return True
    own = {socket.gethostname().lower(), *(each.lower() for each in allowed)}
    return name in own or any(each.startswith("*.") and name.endswith(each[1:]) for each in own)


def is_cross_site(method: str, headers: Mapping[str, str]) -> bool:
    """Return whether a browser sent a request that computes something for the page of another site.

    Args:
        method: HTTP method.
        headers: Headers by their names in lower case.
    """
    if method in SAFE_METHODS:
        return False
    if headers.get("sec-fetch-site", "none") not in OWN_SITE:
        return True
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower()


def _host_name(host: str) -> str | None:
    """Return the name or address in a Host header; None if it is not one."""
    try:
        parts = urlsplit(f"//{host.strip()}")
        _ = parts.port  # raises for one that is not a number
    except ValueError:
        return None
    if parts.path or parts.query or parts.fragment or parts.username is not None or not parts.hostname:
        return None
    return parts.hostname.rstrip(".").lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
