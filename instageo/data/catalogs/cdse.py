"""Files of the Copernicus Data Space Ecosystem, which need keys of its object store."""

import os
from urllib.parse import urlsplit

from instageo.data.catalogs.access import PlainAccess

ENDPOINT = "eodata.dataspace.copernicus.eu"

BUCKET = "eodata"


class CdseAccess(PlainAccess):
    """Opens files of the bucket `eodata` with the keys of CDSE_ACCESS_KEY and CDSE_SECRET_KEY."""

    advice = "; create keys at the Copernicus Data Space and set CDSE_ACCESS_KEY and CDSE_SECRET_KEY"

    def gdal_options(self, href: str) -> dict[str, str]:
        """Return endpoint and keys; they are given to files of this bucket only."""
        parts = urlsplit(href)
        if parts.scheme != "s3" or parts.netloc.lower() != BUCKET:
            return {}
        options = {"AWS_S3_ENDPOINT": ENDPOINT, "AWS_VIRTUAL_HOSTING": "FALSE", "AWS_HTTPS": "YES"}
        keys = os.environ.get("CDSE_ACCESS_KEY"), os.environ.get("CDSE_SECRET_KEY")
        if keys[0] and keys[1]:
            options |= {"AWS_ACCESS_KEY_ID": keys[0], "AWS_SECRET_ACCESS_KEY": keys[1]}
        return options
