"""The four sizes of network that published models come in, as presets of settings."""

from dataclasses import dataclass

from instageo.errors import ConfigError
from instageo.model.settings import Settings


@dataclass(frozen=True)
class Size:
    """What `model.size` decides, in the words of the settings.

    Attributes:
        model_name: Variant.
        depth: Transformer blocks; -1 for the variant's own.
        width: Channels of a token; None for the variant's own.
        head: Head.
        head_width: Channels within the head; None for the usual.
    """

    model_name: str
    depth: int = -1
    width: int | None = None
    head: str = "light"
    head_width: int | None = None


SIZES = {
    "tiny": Size("prithvi_eo_tiny"),
    "student": Size("prithvi_eo_v2_tiny_tl"),
    "normal": Size("prithvi_eo_v2_100_tl"),
    "teacher": Size("prithvi_eo_v2_300_tl"),
}
"""By name, the smallest first."""


def told_by_size(settings: Settings, explicit: frozenset[str]) -> dict[str, object]:
    """The settings that `model.size` decides, as `model.key: value`: all of its own but those in `explicit`.

    Raises:
        ConfigError: There is no such size.
    """
    name = settings.model.size
    if name is None:
        return {}
    if name not in SIZES:
        raise ConfigError(f"model.size={name} is unknown; choose one of {', '.join(SIZES)}")
    told = {f"model.{key}": value for key, value in vars(SIZES[name]).items()}
    if "model.head" in explicit:  # another head has a width of its own
        del told["model.head_width"]
    return {key: value for key, value in told.items() if key not in explicit}
