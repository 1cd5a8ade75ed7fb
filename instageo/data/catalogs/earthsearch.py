"""Files of Earth Search: most are public, those of Landsat lie in a bucket whose reader pays."""

import os
from urllib.parse import urlsplit

from instageo.data.catalogs.access import PlainAccess

REQUESTER_PAYS = ("usgs-landsat", "sentinel-s2-l2a", "sentinel-s2-l1c", "sentinel-s1-l1c", "naip-analytic")
"""Buckets whose reader pays for the transfer."""


class EarthSearchAccess(PlainAccess):
    """Opens public files without login, and files of buckets whose reader pays if the environment says so."""

    def gdal_options(self, href: str) -> dict[str, str]:
        """Return the options of a bucket, or none for a file behind https."""
        bucket = _bucket(href)
        if not bucket or bucket in REQUESTER_PAYS or "AWS_ACCESS_KEY_ID" in os.environ:
            return {}
        return {"AWS_NO_SIGN_REQUEST": "YES"}

    def explain(self, href: str, reason: str) -> str:
        """Return the address, the reason, and how to pay where the reader has to."""
        pays = _bucket(href) in REQUESTER_PAYS
        advice = "; its reader pays: set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REQUEST_PAYER=requester"
        return super().explain(href, reason) + (advice if pays else "")


def _bucket(href: str) -> str:
    parts = urlsplit(href)
    return parts.netloc if parts.scheme == "s3" else ""
