"""Decide which layers of a file are read as which band of which date: by number, position and name."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from instageo.band_vocabulary import NIR, BandLabel, sort_dates, understand_labels
from instageo.errors import LayerError
from instageo.model.chips.chip_format import ChipFormat, LayerScaling
from instageo.model.chips.scale_tags import read_scale_tags
from instageo.raster.grid import RasterInfo
from instageo.sensors import SENSORS
from instageo.wording import counted

MAX_SHOWN = 14
"""Names of layers that a message lists at most."""


@dataclass(frozen=True)
class LayerChoice:
    """What is read of a file.

    Attributes:
        layers: 0-based layers, time-major: all bands of date 1, then those of date 2, ….
        scaling: Factor and offset of each layer in place of those in the settings; None for those of the settings.
        tag_factor: Factor from the physical values of the file's scale tags to the unit of the network's mean and std;
            None without such tags, or if they are ignored.
        notes: Sentences for the log on what the file says and the settings override.
    """

    layers: tuple[int, ...] = ()
    scaling: LayerScaling | None = None
    tag_factor: float | None = None
    notes: tuple[str, ...] = ()


def choose_layers(info: RasterInfo, chip_format: ChipFormat, path: str) -> LayerChoice:
    """Choose the layers of a file; every command and the server read what this function returns.

    Args:
        info: Metadata of the file.
        chip_format: How chips are read; its `rules` say what is expected.
        path: The file, for messages.

    Raises:
        LayerError: The file has another number of layers than expected, calls them otherwise, or its scale tags say
            something else than the settings.
    """
    by_name = chip_format.rules.by_name
    layers = _layers_by_name(info, chip_format, path) if by_name else _layers_by_position(info, chip_format, path)
    notes = () if by_name else _compare_names(info, layers, chip_format, path)
    tags = read_scale_tags(info, layers, chip_format, path)
    return LayerChoice(layers, tags.scaling, tags.factor, notes + tags.notes)


def _layers_by_position(info: RasterInfo, chip_format: ChipFormat, path: str) -> tuple[int, ...]:
    count, expected, bands = info.num_layers, chip_format.rules.num_layers, chip_format.bands
    own = info.data_layers
    if expected is not None and expected not in (count, len(own)):
        raise _unexpected_number(info, chip_format, path)
    if bands is None:
        return tuple(range(count)) if expected == count else tuple(own)
    if max(bands) >= count:
        raise LayerError(
            f"{path}: has {counted(count, 'layer')}, but dataloader.bands requests layer {max(bands)} (counted from 0)",
            "correct dataloader.bands or dataloader.sensor",
        )
    return bands


def _unexpected_number(info: RasterInfo, chip_format: ChipFormat, path: str) -> LayerError:
    count, rules, num_dates = info.num_layers, chip_format.rules, chip_format.temporal_dim
    products = [name for name, sensor in SENSORS.items() if len(sensor.bands) * num_dates == count]
    likely_products = f" ({' or '.join(products)}: {counted(count, 'layer')})" if products else ""
    problem = f"{path}: has {counted(count, 'layer')}, expected {rules.num_layers} ({rules.because})"
    if _has_names_of_all(info, chip_format, path):
        return LayerError(
            problem, "dataloader.bands_by_name=true reads those that the file names; or correct dataloader.temporal_dim"
        )
    names = "" if rules.sensor or chip_format.bands else "name the bands with dataloader.band_names, "
    return LayerError(
        problem,
        f"{names}list the layers to read in dataloader.bands (counted from 0), name the product with "
        f"dataloader.sensor{likely_products}, or correct dataloader.temporal_dim",
    )


def _has_names_of_all(info: RasterInfo, chip_format: ChipFormat, path: str) -> bool:
    """Return whether a file has a layer with the name of each band and date."""
    if not chip_format.rules.band_names:
        return False
    try:
        return len(_layers_by_name(info, chip_format, path)) > 0
    except LayerError:
        return False


def _compare_names(info: RasterInfo, layers: Sequence[int], chip_format: ChipFormat, path: str) -> tuple[str, ...]:
    """Compare what the file calls the layers with the bands that they are read as.

    Returns:
        A sentence if the names contradict and the user decided to read by position, else nothing.

    Raises:
        LayerError: The names contradict.
    """
    rules = chip_format.rules
    if not any(info.descriptions) or not rules.band_names:
        return ()
    own_labels = understand_labels(info.descriptions, rules.sensor)
    expected = understand_labels(rules.band_names, rules.sensor) * chip_format.temporal_dim
    pairs = zip((own_labels[layer].bands for layer in layers), (label.bands for label in expected), strict=False)
    if not any(own and other and not own & other for own, other in pairs):
        return ()
    called = _shorten([info.descriptions[layer] or "?" for layer in layers])
    read_as = _shorten([*rules.band_names] * chip_format.temporal_dim)
    if rules.bands_given or rules.by_name is False:
        return (f"the file calls its layers {called}, but they are read as {read_as}",)
    raise LayerError(
        f"{path}: calls its layers {called}, but they would be read as {read_as}",
        "dataloader.bands_by_name=true reads them by their names, dataloader.bands lists them in another order, "
        "dataloader.bands_by_name=false ignores the names",
    )


def _layers_by_name(info: RasterInfo, chip_format: ChipFormat, path: str) -> tuple[int, ...]:
    labels = understand_labels(info.descriptions, chip_format.rules.sensor)
    band_labels = understand_labels(chip_format.rules.band_names, chip_format.rules.sensor)
    names = chip_format.rules.band_names
    dates = _group_dates(info, labels, chip_format.temporal_dim, path)
    return tuple(
        _find_band(name, label, [(layer, labels[layer]) for layer in date], info, path)
        for date in dates
        for name, label in zip(names, band_labels, strict=True)
    )


def _group_dates(info: RasterInfo, labels: Sequence[BandLabel], num_dates: int, path: str) -> list[list[int]]:
    """Return the layers of each date: by the dates in their names, else in blocks of equal size."""
    layers = info.data_layers
    if num_dates == 1:
        return [layers]
    named = [layer for layer in layers if labels[layer].bands]
    dates = Counter(labels[layer].date for layer in named)
    if len(dates) == num_dates and "" not in dates:
        return [[layer for layer in named if labels[layer].date == date] for date in sort_dates(list(dates))]
    if len(layers) % num_dates:
        raise LayerError(
            f"{path}: {counted(len(layers), 'layer')} cannot be divided evenly into {num_dates} dates, and their "
            "names do not distinguish the dates",
            "correct dataloader.temporal_dim, or list the layers in dataloader.bands",
        )
    size = len(layers) // num_dates
    return [layers[start : start + size] for start in range(0, len(layers), size)]


def _find_band(name: str, band: BandLabel, layers: Sequence[tuple[int, BandLabel]], info: RasterInfo, path: str) -> int:
    """Return the one layer of a date that is called by the name of a band."""
    exact = [layer for layer, label in layers if label.bands and label.bands <= band.bands]
    possible = [layer for layer, label in layers if label.bands & band.bands]
    matches = exact or possible
    called = [info.descriptions[layer] or "?" for layer, _ in layers]
    if len(matches) == 1:
        [bands] = [label.bands for layer, label in layers if layer == matches[0]]
        if bands <= band.bands or bands <= set(NIR):
            return matches[0]
        problem = f"{info.descriptions[matches[0]]} may mean {' or '.join(sorted(bands))}"
        advice = "name the product with dataloader.sensor"
    else:
        problem = f"{'several layers are' if matches else 'no layer is'} called {name}"
        advice = "list the layers in dataloader.bands instead of using dataloader.bands_by_name=true"
    raise LayerError(f"{path}: {problem}; it calls its layers {_shorten(called)}", advice)


def _shorten(names: Sequence[str]) -> str:
    return ", ".join(names[:MAX_SHOWN]) + (" …" if len(names) > MAX_SHOWN else "")
