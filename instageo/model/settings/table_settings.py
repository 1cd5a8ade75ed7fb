"""Settings that a table brings: `settings.json` in its folder says how its chips and labels are to be read.

Programs that write chips write it next to the table, with a section `dataloader` of settings by name, and a section
`label`. The data may come from anyone, so only the settings in `KEYS` count, and only as plain values.
"""

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from instageo.errors import ConfigError
from instageo.locations import hide_secrets, is_remote, join_location, read_bytes, store_exceptions
from instageo.model.settings.data import MAX_DATES, LabelKind
from instageo.model.settings.fields import Role
from instageo.model.settings.keys import keys_with
from instageo.model.settings.run_settings import Mode, Settings, get_setting
from instageo.plain_values import MAX_BYTES, load_json

log = logging.getLogger(__name__)

FILE = "settings.json"

KEYS = (
    "sensor", "processing_level", "band_names", "bands", "num_layers", "bands_by_name", "temporal_dim", "img_size",
    "no_data_value", "constant_multiplier", "constant_offset", "radar_unit", "scale_tags", "max_pixel_value",
)  # fmt: skip
"""Settings of the group `dataloader` that a table may bring."""

LABEL_KINDS = {"raster": LabelKind.raster.value, "value": LabelKind.chip.value}
"""Kinds of labels in the section `label`, and the value of `dataloader.label_kind` that each means."""

TABLES = {
    Mode.eval: ("test_filepath",),
    Mode.chip_inference: ("test_filepath",),
    Mode.stats: ("train_filepath",),
    Mode.show_batch: ("train_filepath",),
    Mode.check: ("train_filepath", "valid_filepath", "test_filepath"),
    Mode.map: (),
    Mode.export: (),
}
"""Tables that modes read, if these are not the training and the validation table."""

TEXT = re.compile(r"[\w .:+/-]{1,100}")
"""Texts that count: names, but no interpolations, which could read the environment."""

MAX_LIST = 100 * MAX_DATES
"""Most elements of a list."""


def tables_of_mode(settings: Settings) -> list[str]:
    """Return the tables that a run reads and whose `settings.json` counts."""
    names = TABLES.get(settings.mode, ("train_filepath", "valid_filepath"))
    return [str(path) for name in names if (path := get_setting(settings, name))]


def read_table_settings(settings: Settings, explicit: frozenset[str], tables: Iterable[str]) -> dict[str, Any]:
    """Return the settings that tables bring, `group.key: value`, without those that the user set.

    Args:
        settings: As the user passed them.
        explicit: Keys that the user set; they take precedence.
        tables: Tables of a run, or folders; those without the file bring nothing.

    Raises:
        ConfigError: A file holds something else than settings that a table may bring, or two tables contradict each
            other.
    """
    by_file: dict[str, dict[str, Any]] = {}
    for table in tables:
        file = _settings_file(table, settings.root_dir or ".")
        if file is not None and file not in by_file:
            content = _read_content(file)
            values = {} if content is None else _parse_sections(content, settings.mode, hide_secrets(file))
            if values:
                by_file[file] = _with_layout(values, settings, explicit)
    if not by_file:
        return {}
    [(first, values), *others] = by_file.items()
    for other, other_values in others:
        _require_equal((hide_secrets(first), values), (hide_secrets(other), other_values))
    if values:
        log.info("%s: %s", hide_secrets(first), ", ".join(f"{key}={value}" for key, value in values.items()))
    return values


def first_with_settings(tables: Iterable[str], root_dir: str | Path | None) -> str | None:
    """Return the first of several tables that brings settings; None if none does."""
    for table in tables:
        file = _settings_file(table, str(root_dir or "."))
        if file is not None and "dataloader" in (_read_content(file) or {}):
            return table
    return None


def _settings_file(table: str, root_dir: str) -> str | None:
    """Return where the file of a table, or of a folder, would be; None for tables that are not read from a place."""
    if is_remote(table):
        location, position, query = table.partition("?")
        return location.rpartition("/")[0] + f"/{FILE}{position}{query}" if "://" in location else None
    for candidate in (table, join_location(root_dir, table)):
        if is_remote(candidate):
            return _settings_file(candidate, root_dir)
        if Path(candidate).is_dir():
            return str(Path(candidate) / FILE)
        if Path(candidate).is_file():
            return str(Path(candidate).parent / FILE)
    return None


def _read_content(file: str) -> Mapping[str, Any] | None:
    """Return the content of a file; None if it is missing or cannot be read as JSON."""
    try:
        text = (read_bytes(file) if is_remote(file) else _read_bounded(Path(file))).decode("utf-8")
    except UnicodeDecodeError as error:
        log.warning("%s: is ignored, since it is not text in UTF-8 (%s)", hide_secrets(file), error)
        return None
    except store_exceptions() as error:
        log.debug("%s: %s", hide_secrets(file), error)
        return None
    try:
        content = load_json(text)
    except (ValueError, RecursionError) as error:
        log.warning("%s: is ignored, since it cannot be read as JSON (%s)", hide_secrets(file), error)
        return None
    return content if isinstance(content, Mapping) else None


def _read_bounded(path: Path) -> bytes:
    """Read a local file, no further than what makes it too large."""
    if not path.is_file():
        raise FileNotFoundError(str(path))
    with open(path, "rb") as file:
        return file.read(MAX_BYTES + 1)


def _parse_sections(content: Mapping[str, Any], mode: Mode, file: str) -> dict[str, Any]:
    """Return the settings in the sections of a file, `group.key: value`."""
    data, label = content.get("dataloader"), content.get("label")
    if data is None:
        return {}
    if not isinstance(data, Mapping):
        raise ConfigError(f"{file}: dataloader is a {type(data).__name__}; expected settings by name")
    for key, value in data.items():
        if key not in KEYS:
            raise ConfigError(f"{file}: a table may not bring dataloader.{key[:100]}; expected {', '.join(KEYS)}")
        if not _is_plain(value):
            raise ConfigError(
                f"{file}: dataloader.{key}={str(value)[:100]} is not a plain value; expected a number, a name, true, "
                "false, null, or a list of numbers or names"
            )
    values = {
        f"dataloader.{key}": None if value != value else value for key, value in data.items()
    }  # NaN: none further
    if not isinstance(label, Mapping) or mode is Mode.chip_inference:
        return values
    return values | _parse_label(label, file)


def _parse_label(label: Mapping[str, Any], file: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    kind, ignore = label.get("kind"), label.get("ignore")
    if kind is not None:
        if kind not in LABEL_KINDS:
            raise ConfigError(f"{file}: label.kind={str(kind)[:100]} is unknown; expected {' or '.join(LABEL_KINDS)}")
        values["dataloader.label_kind"] = LABEL_KINDS[kind]
    if ignore is not None:
        if type(ignore) is not int:
            raise ConfigError(f"{file}: label.ignore={str(ignore)[:100]} is not a class; expected a whole number")
        values["train.ignore_index"] = ignore
    return values


def _is_plain(value: object) -> bool:
    if isinstance(value, list):
        return len(value) <= MAX_LIST and all(not isinstance(part, list) and _is_plain(part) for part in value)
    if isinstance(value, str):
        return TEXT.fullmatch(value) is not None
    return value is None or isinstance(value, bool | int | float)


def _with_layout(values: dict[str, Any], settings: Settings, explicit: frozenset[str]) -> dict[str, Any]:
    """Return what counts of a table's settings, with the layers that its files have.

    A sensor, or layers, of the user's replace all that the table says about layers and unit. Without a list of layers
    the files hold the table's `band_names`, date by date, and no further layers of the sensor.
    """
    layout = {*keys_with(Role.set_by_sensor), "dataloader.band_names", "dataloader.sensor"}
    if "dataloader.sensor" in explicit and settings.dataloader.sensor != values.get("dataloader.sensor"):
        values = {key: value for key, value in values.items() if key not in layout}
    names, layers = values.get("dataloader.band_names"), {"dataloader.bands", "dataloader.num_layers"}
    if isinstance(names, list) and not layers & {*values, *explicit}:
        user_names = settings.dataloader.band_names if "dataloader.band_names" in explicit else None
        dates = values.get("dataloader.temporal_dim", 1)
        dates = settings.dataloader.temporal_dim if "dataloader.temporal_dim" in explicit else dates
        values = values | _layers_of(names, user_names or names, dates)
    if settings.checkpoint_path:  # the side of tiles is that of the training
        values = {key: value for key, value in values.items() if key != "dataloader.img_size"}
    return {key: value for key, value in values.items() if key not in explicit}


def _layers_of(names: Sequence[Any], expected: Sequence[Any], num_dates: Any) -> dict[str, Any]:
    """Return the settings of layers for files that hold the bands `names` of each date, of which some are wanted."""
    if not isinstance(num_dates, int) or not 1 <= num_dates <= MAX_DATES or not set(expected) <= set(names):
        return {}
    every = list(expected) == list(names)
    positions = [date * len(names) + names.index(name) for date in range(num_dates) for name in expected]
    return {"dataloader.bands": None if every else positions, "dataloader.num_layers": num_dates * len(names)}


def _require_equal(first: tuple[str, Mapping[str, Any]], second: tuple[str, Mapping[str, Any]]) -> None:
    """Check that two files say the same."""
    (one, values), (other, other_values) = first, second
    for key in {**values, **other_values}:
        if (key in values, values.get(key)) != (key in other_values, other_values.get(key)):
            said = [f"{key}={each[key]}" if key in each else f"no {key}" for each in (values, other_values)]
            raise ConfigError(
                f"{one} has {said[0]}, but {other} has {said[1]}; all tables of a run need chips of one kind, or pass "
                f"{key} yourself"
            )
