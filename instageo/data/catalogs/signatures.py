"""Signatures in addresses: what is kept in files and messages has none."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

_NAMES = (
    "sig", "se", "st", "sv", "sp", "sr", "spr", "skoid", "sktid", "skt", "ske", "sks", "skv", "sip", "signature",
    "expires", "key-pair-id", "policy", "awsaccesskeyid", "token", "access_token", "api_key", "apikey",
    "subscription-key",
)  # fmt: skip
"""Parameters of a query that are a signature or belong to one, in small letters."""


def unsigned(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a STAC record whose addresses have no signatures, and without the links of the catalogue."""
    assets = {
        key: {**asset, "href": unsigned_href(str(asset.get("href") or ""))}
        for key, asset in (record.get("assets") or {}).items()
        if isinstance(asset, Mapping)
    }
    return {**record, "assets": assets, "links": []}


def unsigned_href(href: str) -> str:
    """Return an address without user, password and signature.

    Examples:
        >>> unsigned_href("https://example.org/a.tif?se=2024&sig=abc&band=2")
        'https://example.org/a.tif?band=2'
    """
    if "://" not in href:
        return href
    parts = urlsplit(href)
    pairs = [pair for pair in parts.query.split("&") if pair and not _secret(pair)]
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "&".join(pairs), ""))


def _secret(pair: str) -> bool:
    name = next((key for key, _ in parse_qsl(pair, keep_blank_values=True)), "").lower()
    return name in _NAMES or name.startswith(("x-amz-", "x-goog-"))
