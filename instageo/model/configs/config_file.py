"""Generate the shipped `configs/config.yaml` from the dataclasses of settings, help texts as comments.

`python -m instageo.model.configs.config_file` writes the file; a test compares it with what the dataclasses say.
"""

import json
import textwrap
from collections.abc import Iterator
from dataclasses import Field, fields, is_dataclass
from enum import Enum
from typing import Any

from instageo.files import write_text
from instageo.model.settings.compose import CONFIGS
from instageo.model.settings.run_settings import Settings

LINE = 120
"""Longest line, characters."""

COMMENT_COLUMN = 34
"""Column in which comments begin, unless the setting itself is longer."""

INLINE = 70
"""Groups without help texts that fit into this many characters stand on one line, as `{key: value, …}`."""

HEADER = """\
# Every setting and its default, generated from the dataclasses in instageo/model/settings.
# The presets next to this file, and your own, hold only what differs.
defaults:
  - settings
  - _self_

"""


def render_config() -> str:
    """Return the text of `config.yaml`."""
    path = CONFIGS / "config.yaml"
    hydra = path.read_text(encoding="utf-8").partition("\nhydra:\n")[2]
    return HEADER + "\n".join(_render(Settings())) + f"\n\nhydra:\n{hydra}"


def _render(group: Any, indent: str = "") -> Iterator[str]:
    for entry in fields(group):
        value, help_text = getattr(group, entry.name), entry.metadata.get("help", "")
        if is_dataclass(value) and not _fits_inline(value):
            if not indent:
                yield ""
            yield from _commented(f"{indent}{entry.name}:", help_text)
            yield from _render(value, indent + "  ")
        else:
            yield from _commented(f"{indent}{entry.name}: {_scalar(value)}", help_text)


def _fits_inline(group: Any) -> bool:
    return all(len(_scalar(group)) <= INLINE and not _help(entry) for entry in fields(group))


def _help(entry: "Field[Any]") -> str:
    text: str = entry.metadata.get("help", "")
    return text


def _commented(setting: str, help_text: str) -> Iterator[str]:
    """Yield a line with its comment, wrapped into further lines of comment where it is long."""
    if not help_text:
        yield setting
        return
    start = max(COMMENT_COLUMN, len(setting) + 2)
    lines = textwrap.wrap(help_text, max(LINE - start - 2, 40), break_long_words=False, break_on_hyphens=False)
    yield f"{setting:<{start}}# {lines[0]}"
    for line in lines[1:]:
        yield f"{'':<{start}}# {line}"


def _scalar(value: object) -> str:
    """Return a value as YAML on one line."""
    if is_dataclass(value) and not isinstance(value, type):
        return "{" + ", ".join(f"{entry.name}: {_scalar(getattr(value, entry.name))}" for entry in fields(value)) + "}"
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, list):
        return "[" + ", ".join(map(_scalar, value)) + "]"
    if isinstance(value, float) and "e" in repr(value):
        mantissa, _, exponent = repr(value).partition("e")  # YAML 1.1 takes 1e-07 for text, 1.0e-07 for a number
        return f"{mantissa if '.' in mantissa else mantissa + '.0'}e{exponent}"
    return value if isinstance(value, str) else json.dumps(value)


if __name__ == "__main__":
    write_text(CONFIGS / "config.yaml", render_config())
