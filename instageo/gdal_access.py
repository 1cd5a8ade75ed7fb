"""GDAL's options for files in stores, and explanations of failed access."""

import os
import re

from instageo.locations import is_remote

GDAL_OPTIONS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # no listing of folders, no search for side-car files
    "GDAL_INGESTED_BYTES_AT_OPEN": "1000000",  # most chips come in one request
    "GDAL_HTTP_MAX_RETRY": "3",
    "GDAL_HTTP_RETRY_DELAY": "0.5",  # seconds, longer after each attempt
    "GDAL_HTTP_CONNECTTIMEOUT": "10",  # seconds
    "GDAL_HTTP_LOW_SPEED_TIME": "30",  # a request ends after this many seconds below the limit of bytes per second
    "GDAL_HTTP_LOW_SPEED_LIMIT": "1",
}
"""GDAL options for remote files, unless the environment sets others; reasons in `benchmarks/remote_chips.md`."""

CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_NO_SIGN_REQUEST=YES for public data",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS, or GS_NO_SIGN_REQUEST=YES for public data",
    "az": "AZURE_STORAGE_ACCOUNT with AZURE_STORAGE_ACCESS_KEY or AZURE_STORAGE_SAS_TOKEN, or with "
    "AZURE_NO_SIGN_REQUEST=YES for public data",
}
"""Environment variables that hold the credentials, by scheme."""

_NO_CREDENTIALS = re.compile(r"options not defined|missing azure|credentials", re.IGNORECASE)
_DENIED = re.compile(r"\b40[137]\b|denied|forbidden|unauthorized|signature", re.IGNORECASE)
_MISSING = re.compile(r"\b404\b|not found|does not exist|no such", re.IGNORECASE)
_UNREACHABLE = re.compile(
    r"code: 5\d\d|\b50[0234]\b|resolve|connect|timed? ?out|unreachable|certificate|ssl", re.IGNORECASE
)


def gdal_options() -> dict[str, str]:
    """Return the options of `GDAL_OPTIONS` that the environment does not set."""
    return {name: value for name, value in GDAL_OPTIONS.items() if name not in os.environ}


def explain_failure(location: str, error: BaseException) -> str | None:
    """Return one sentence that says why a remote file cannot be accessed and what to do.

    Args:
        location: Its URL or virtual path.
        error: Exception of GDAL, `fsspec` or `obstore`.

    Returns:
        None if access did not fail: the file was read, but its content is not as expected.
    """
    reason = summarize_error(location, error)
    virtual = re.match(r"/vsi(s3|gs|az)", location)
    scheme = virtual[1] if virtual else location.partition("://")[0].lower()
    advice = f"set {CREDENTIALS[scheme]}" if scheme in CREDENTIALS else "check that the URL is complete and still valid"
    if _NO_CREDENTIALS.search(reason):
        return f"{location}: no credentials for this store; {advice}"
    if isinstance(error, FileNotFoundError) or _MISSING.search(reason):
        return f"{location}: no such file (the store answers 404); check the path, root_dir and the table"
    if isinstance(error, PermissionError) or _DENIED.search(reason):
        return f"{location}: access denied ({reason}); {advice}"
    if isinstance(error, TimeoutError) or _UNREACHABLE.search(reason):
        return f"{location}: the store cannot be reached ({reason}); check the address, the network and proxies"
    return None


def summarize_error(location: str, error: BaseException) -> str:
    """Return the first line of an error, with `it` for the file, whose URL may hold secrets."""
    text = str(error).replace(f"'{location}'", "it")
    if is_remote(location):
        path, name = location.rpartition("://")[2], location.rpartition("/")[2]
        text = re.sub(rf"'?(/vsi\w+/)?(\w+://)?{re.escape(path)}'?", "it", text)
        text = text.replace(name, "it") if "?" in name else text  # GDAL also names files without their folder
    text = text.replace("it not recognized", "it is not recognized")  # GDAL leaves out the verb
    lines = text.strip().splitlines()
    return lines[0][:200] if lines else "no further reason"
