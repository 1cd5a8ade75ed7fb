"""Fonts for texts in any script: matplotlib's own has Latin, Greek, Cyrillic and Arabic letters, others help out."""

from functools import cache

OWN_FAMILY = "DejaVu Sans"
"""Font that comes with matplotlib."""

PLACEHOLDERS = "Last Resort"
"""Begin of the names of fonts that have a box with a number for each letter."""


def find_families(text: str) -> list[str] | None:
    """Return fonts of this machine that together have all letters of a text; None if there are none.

    Args:
        text: Any text; spaces and line ends count in no font.
    """
    from matplotlib import font_manager

    families = [OWN_FAMILY]
    missing = {ord(letter) for letter in text if not letter.isspace()}
    missing -= _letters(font_manager.findfont(OWN_FAMILY))
    for entry in font_manager.fontManager.ttflist if missing else []:
        if entry.name.startswith(PLACEHOLDERS):
            continue
        found = missing & _letters(entry.fname)
        if found:
            families.append(entry.name)
            missing -= found
    return None if missing else families


@cache
def _letters(path: str) -> frozenset[int]:
    """Return the code points that a font has; none if it cannot be read."""
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(FT2Font(path).get_charmap())
    except (OSError, RuntimeError):
        return frozenset()
