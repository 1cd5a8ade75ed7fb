"""How files of a catalogue are opened: addresses, signatures, options of GDAL and explanations."""

from pathlib import Path
from typing import Protocol

from instageo.data.catalogs.trust import RefusedAddressError, check_address, local_path
from instageo.locations import is_remote


class Access(Protocol):
    """Opens files of a catalogue."""

    def location(self, href: str, *, renew: bool = False) -> str:
        """Return what GDAL opens for the address of an asset; `renew` asks for a new signature."""

    def gdal_options(self, href: str) -> dict[str, str]:
        """Return GDAL options for a file."""

    def explain(self, href: str, reason: str) -> str:
        """Return one sentence, without secrets, for a file that cannot be read."""


class PlainAccess:
    """Opens files that need neither login nor signature.

    Args:
        root: URL of the catalogue, which decides whether private addresses are accepted.
    """

    advice = ""
    """What to do if a file cannot be read; begins with a semicolon."""

    def __init__(self, root: str = "") -> None:
        self.root = root

    def location(self, href: str, *, renew: bool = False) -> str:  # noqa: ARG002
        """Return the address.

        Raises:
            RefusedAddressError: Its scheme or host is not accepted.
        """
        return check_address(href, self.root)

    def gdal_options(self, href: str) -> dict[str, str]:  # noqa: ARG002
        """Return no options."""
        return {}

    def explain(self, href: str, reason: str) -> str:
        """Return the address without its query, the reason, and what to do."""
        return f"{without_query(href)}: {reason}{self.advice}"


class ListAccess:
    """Opens files of a frozen list of items: local ones near the list, others with the catalogue's access.

    Args:
        folders: Folder of the list, to which relative addresses refer, and others that local files may lie in.
        remote: Access of the catalogue that the items come from.
    """

    def __init__(self, folders: tuple[Path, ...], remote: Access) -> None:
        self._folders, self._remote = folders, remote

    def location(self, href: str, *, renew: bool = False) -> str:
        """Return the path or URL of an asset.

        Raises:
            RefusedAddressError: It is a local path away from the list, or its scheme or host is not accepted.
        """
        if is_local(href):
            return str(local_path(href, self._folders))
        return self._remote.location(href, renew=renew)

    def gdal_options(self, href: str) -> dict[str, str]:
        """Return the catalogue's options for a file behind a URL."""
        return {} if is_local(href) else self._remote.gdal_options(href)

    def explain(self, href: str, reason: str) -> str:
        """Return the address and the reason, with the catalogue's advice for a file behind a URL."""
        return f"{href}: {reason}" if is_local(href) else self._remote.explain(href, reason)


def local_stamp(access: Access, href: str) -> str:
    """Return what changes when a file on this machine does: its size and time; empty for others."""
    if not is_local(href):
        return ""
    try:
        status = Path(access.location(href)).stat()
    except (OSError, RefusedAddressError):
        return ""
    return f" {status.st_size} {status.st_mtime_ns}"


def without_query(href: str) -> str:
    """Return an address without its query, which may hold a signature."""
    return href.partition("?")[0] if is_remote(href) else href


def is_local(href: str) -> bool:
    """Return whether an address is that of a file on this machine."""
    return href.startswith("file://") or not is_remote(href)
