"""How files in stores are read, and what it means when that fails."""

import os
import re

from instageo.locations import is_remote

GDAL_OPTIONS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # no listing of folders, no search for side-car files
    "GDAL_INGESTED_BYTES_AT_OPEN": "1000000",  # most chips come in one request
    "GDAL_HTTP_MAX_RETRY": "3",
    "GDAL_HTTP_RETRY_DELAY": "0.5",  # seconds, growing
    "GDAL_HTTP_CONNECTTIMEOUT": "10",  # seconds
    "GDAL_HTTP_LOW_SPEED_TIME": "30",  # seconds with less than LIMIT bytes each end a request
    "GDAL_HTTP_LOW_SPEED_LIMIT": "1",
}
"""What GDAL reads remote files with, unless the environment says otherwise; `benchmarks/remote_chips.md` tells why."""

CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_NO_SIGN_REQUEST=YES for public data",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS, or GS_NO_SIGN_REQUEST=YES for public data",
    "az": "AZURE_STORAGE_ACCOUNT with AZURE_STORAGE_ACCESS_KEY or AZURE_STORAGE_SAS_TOKEN, or with "
    "AZURE_NO_SIGN_REQUEST=YES for public data",
}
"""What to set in the environment to be let in, by scheme."""

_NO_CREDENTIALS = re.compile(r"options not defined|missing azure|credentials", re.IGNORECASE)
_REFUSED = re.compile(r"\b40[137]\b|denied|forbidden|unauthorized|signature", re.IGNORECASE)
_ABSENT = re.compile(r"\b404\b|not found|does not exist|no such", re.IGNORECASE)
_UNREACHABLE = re.compile(
    r"code: 5\d\d|\b50[0234]\b|resolve|connect|timed? ?out|unreachable|certificate|ssl", re.IGNORECASE
)


def gdal_options() -> dict[str, str]:
    """The options of `GDAL_OPTIONS` that the environment leaves open."""
    return {name: value for name, value in GDAL_OPTIONS.items() if name not in os.environ}


def explain(location: str, error: BaseException) -> str | None:
    """Why a remote file could not be had and what to do.

    Args:
        location: Its URL or virtual path.
        error: What GDAL or `fsspec` raised.

    Returns:
        None if the error is none of access: the file was read, but is no such file as expected.
    """
    reason = reason_of(location, error)
    scheme = _scheme(location)
    keys = f"set {CREDENTIALS[scheme]}" if scheme in CREDENTIALS else "check that the address is whole and still valid"
    if _NO_CREDENTIALS.search(reason):
        return f"{location}: no credentials for this store; {keys}"
    if isinstance(error, FileNotFoundError) or _ABSENT.search(reason):
        return f"{location}: no such file (the store answers 404); check root_dir and the table's paths"
    if isinstance(error, PermissionError) or _REFUSED.search(reason):
        return f"{location}: access is refused ({reason}); {keys}"
    if isinstance(error, TimeoutError) or _UNREACHABLE.search(reason):
        return f"{location}: the store cannot be reached ({reason}); check the address, the network and proxies"
    return None


def reason_of(location: str, error: BaseException) -> str:
    """First line of an error, with `it` for the file, whose address may hold secrets."""
    text = str(error).replace(f"'{location}'", "it")
    if is_remote(location):
        rest, last = location.rpartition("://")[2], location.rpartition("/")[2]
        text = re.sub(rf"'?(/vsi\w+/)?(\w+://)?{re.escape(rest)}'?", "it", text)
        text = text.replace(last, "it") if "?" in last else text  # GDAL names files without their folder, too
    lines = text.strip().splitlines()
    return lines[0][:200] if lines else "no further reason"


def _scheme(location: str) -> str:
    """`s3`, `gs`, … of a URL or one of GDAL's virtual paths."""
    virtual = re.match(r"/vsi(s3|gs|az)", location)
    return virtual[1] if virtual else location.partition("://")[0].lower()
