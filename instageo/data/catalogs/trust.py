"""Which addresses of a catalogue's items are opened: items come from others, and may name any file or host.

A URL is accepted if its scheme is http, https, s3, gs or az. A host that is private by its name or number is accepted
only from a catalogue on a private host itself; names are not looked up. Local paths are accepted only from lists on
this machine, and only in the list's folder, below it, or in a neighbouring folder.
"""

import ipaddress
import os
import re
import socket
from pathlib import Path
from urllib.parse import unquote, urlsplit

from instageo.errors import RasterError
from instageo.files import MAX_NAME_BYTES
from instageo.locations import hide_secrets, is_remote

SCHEMES = ("http", "https", "s3", "gs", "az")

_PRIVATE_NAME = re.compile(r"(^|\.)(localhost|local|localdomain|internal|intranet|lan|home\.arpa)$")
_NUMBER = re.compile(r"[0-9a-fx.]+")


class RefusedAddressError(RasterError):
    """An item names a file or host that is not opened."""


def check_address(href: str, root: str) -> str:
    """Return the address of an asset or of a page of a catalogue unchanged.

    Args:
        href: Address, as the catalogue gives it.
        root: URL of the catalogue.

    Raises:
        RefusedAddressError: Its scheme is not accepted, or it lies on a private host and the catalogue does not.
    """
    scheme, separator, _ = href.partition("://")
    if not separator or scheme.lower() not in SCHEMES or re.search(r"[\s\\\x00-\x1f]", href):
        raise RefusedAddressError(
            f"the catalogue names the file {_shown(href)}; expected a URL with one of {', '.join(SCHEMES)}, so it is "
            "not opened"
        )
    if scheme.lower() in ("http", "https") and is_private(href) and not is_private(root):
        raise RefusedAddressError(
            f"the catalogue names the file {_shown(href)} on a private host, and does not lie on one itself; it is not "
            "opened"
        )
    return href


def is_private(url: str) -> bool:
    """Return whether the host of a URL is this machine or one of a private network, by its name or number.

    Examples:
        >>> is_private("http://127.1/x"), is_private("https://example.org/x"), is_private("http://[::1]/")
        (True, False, True)
    """
    try:
        host = (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return True
    try:
        number = socket.inet_ntoa(socket.inet_aton(host)) if _NUMBER.fullmatch(host) else host
        address = ipaddress.ip_address(number)
    except (OSError, ValueError):
        return bool(_PRIVATE_NAME.search(host)) or (bool(host) and "." not in host)
    mapped = getattr(address, "ipv4_mapped", None)
    return not (mapped or address).is_global


def local_path(href: str, folders: tuple[Path, ...]) -> Path:
    """Return the path of a local file that a list of items names.

    Args:
        href: Path relative to the first folder, absolute path, or `file://` URL.
        folders: Folder of the list, and others that files may lie in.

    Raises:
        RefusedAddressError: It is one of GDAL's virtual paths, or lies neither in the folders nor next to them.
    """
    if is_remote(href) and not href.startswith("file://"):
        raise RefusedAddressError(f"the list names the file {_shown(href)}; expected a path or a URL")
    name = unquote(urlsplit(href).path) if href.startswith("file://") else href
    if any(len(os.fsencode(part)) > MAX_NAME_BYTES for part in Path(name).parts) or "\0" in name:
        raise RefusedAddressError(f"the list names the file {_shown(href)}, which no file can be called")
    path = folders[0] / name
    resolved = path.resolve()
    if not any(resolved.is_relative_to(folder.resolve().parent) for folder in folders):
        raise RefusedAddressError(
            f"the list names the file {href}, which lies neither in the list's folder nor next to it; move the list "
            "next to its files"
        )
    return resolved


def _shown(href: str) -> str:
    return hide_secrets(href[:200]).partition("?")[0]
