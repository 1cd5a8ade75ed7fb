"""`settings.json` of chips with masks: these hold only the layers that are read, so positions of layers change."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from instageo.data.chip_facts.layout import SETTINGS, ChipLayout
from instageo.errors import ConfigError
from instageo.files import write_text


def describe_masked(description: Mapping[str, Any], layout: ChipLayout, num_layers: int) -> Mapping[str, Any]:
    """Return what `settings.json` says of the chips that `MaskWriter` writes.

    Args:
        description: What it says of the chips that were read.
        layout: How these were read.
        num_layers: Layers of a chip that was written.
    """
    loader = description.get("dataloader")
    if not isinstance(loader, dict):
        return description
    changes: dict[str, Any] = {"num_layers": num_layers, "temporal_dim": layout.steps, "band_names": [*layout.bands]}
    changes = {name: value for name, value in changes.items() if value and loader.get(name) is not None}
    if layout.layers is not None and (loader.get("bands") is not None or loader.get("sensor") is not None):
        changes["bands"] = list(range(num_layers))
    return {**description, "dataloader": {**loader, **changes}}


def require_own_folder(
    folder: Path, table_folder: str, description: Mapping[str, Any], layout: ChipLayout, num_layers: int
) -> None:
    """Check that chips with masks have a folder of their own if another `settings.json` describes them.

    Raises:
        ConfigError: They would share it with the chips that were read.
    """
    if Path(table_folder).absolute() == folder.absolute() and (
        describe_masked(description, layout, num_layers) != description
    ):
        raise ConfigError(
            f"{folder / SETTINGS}: does not fit the chips with masks, which have only the {num_layers} layers that are "
            "read; name another folder for them by output"
        )


def write_description(folder: Path, description: Mapping[str, Any]) -> None:
    """Write `settings.json`."""
    write_text(folder / SETTINGS, json.dumps(description, indent=2, ensure_ascii=False) + "\n")
