"""How files of a catalogue are opened."""

from pathlib import Path
from typing import Protocol


class Access(Protocol):
    """Opens files of a catalogue."""

    def location(self, href: str, *, renew: bool = False) -> str:
        """Return what GDAL opens for the address of an asset; `renew` asks for a new signature."""

    def gdal_options(self, href: str) -> dict[str, str]:
        """Return GDAL options for a file."""

    def explain(self, href: str, reason: str) -> str:
        """Return one sentence, without secrets, for a file that cannot be read."""


class LocalAccess:
    """Opens files that an item list names relative to itself."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def location(self, href: str, *, renew: bool = False) -> str:  # noqa: ARG002
        """Return the path or URL of an asset."""
        return href if "://" in href or href.startswith("/") else str(self._folder / href)

    def gdal_options(self, href: str) -> dict[str, str]:  # noqa: ARG002
        """Return no options."""
        return {}

    def explain(self, href: str, reason: str) -> str:
        """Return the address and the reason."""
        return f"{href.partition('?')[0]}: {reason}"
