"""Which layers of which files are the bands of a model at one date, or at all dates, and what their values mean."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from instageo.errors import ConfigError, DataError, LayerError
from instageo.model.chips.chip_format import ChipFormat
from instageo.model.chips.layer_choice import choose_layers
from instageo.products.find import find_product
from instageo.products.product_files import ProductFiles
from instageo.products.quality_flags import QUALITY_FLAGS, check_flags
from instageo.raster.reading import read_info
from instageo.raster.scenes.scene import BandSource, QualitySource
from instageo.sensors import REFLECTANCE_UNIT, SENSORS, find_sensor
from instageo.wording import counted


@dataclass(frozen=True)
class ReadingOptions:
    """How the files of scenes are read.

    Attributes:
        sensor: Product that rasters and single-band files hold, a key of `SENSORS`; None if they are as in training.
        bands: Names of the layers of a raster, in their order; empty if they are those of `sensor`, or as in training.
        mask: Names of quality flags whose pixels become no-data.
        dilation: Pixels by which the mask grows.
        quality: Quality layer of each date, for rasters and single-band files of `sensor`; products bring their own.
        resolution: Pixel size in units of the CRS; None for that of the finest band.
    """

    sensor: str | None = None
    bands: tuple[str, ...] = ()
    mask: tuple[str, ...] = ()
    dilation: float = 0.0
    quality: tuple[str, ...] = ()
    resolution: float | None = None


@dataclass(frozen=True)
class DateLayers:
    """The bands of a model at one date, or at several dates one after the other.

    Attributes:
        sources: Layers of files, in the order of the model's bands.
        scaling: Factor and offset of each to the unit of the model.
        no_data_value: Value that means "no observation", in addition to tags and masks.
        quality: Layer whose flags are masked; None without one.
        day: Acquisition date; None if the files of the date do not say it.
        tags: Tags of the file, by upper-case name.
        notes: Sentences for the log.
    """

    sources: tuple[BandSource, ...]
    scaling: tuple[tuple[float, float], ...]
    no_data_value: float | None
    quality: QualitySource | None = None
    day: date | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def find_layers(
    files: str | Mapping[str, str],
    names: Sequence[str],
    chip_format: ChipFormat,
    options: ReadingOptions,
    *,
    quality: str | None = None,
) -> DateLayers:
    """Find the bands of a model in what a user names for one date.

    Args:
        files: A raster, the folder or archive of a product, or single-band files by the names of their bands. A raster
            may have the layers of all dates.
        names: Bands of the model, in its order.
        chip_format: How the model's chips were read.
        options: How files are read.
        quality: Quality layer of this date, unless the product brings one.

    Raises:
        RasterError: A file is missing or unreadable.
        DataError: A band is missing, or its values cannot be known.
        ConfigError: An option does not fit the files.
    """
    if isinstance(files, Mapping):
        return _band_files(files, names, chip_format, options, quality)
    product = find_product(files)
    if product is not None:
        return _product(product, names, files, chip_format, options)
    if not options.bands and options.sensor is None:
        return _as_in_training(files, chip_format, options, quality)
    return _named_layers(files, names, chip_format, options, quality)


def _product(
    product: ProductFiles, names: Sequence[str], path: str, chip_format: ChipFormat, options: ReadingOptions
) -> DateLayers:
    _check_bands(product.bands, names, path)
    sensor = SENSORS[product.sensor]
    notes: tuple[str, ...] = ()
    if not product.is_offset_known:
        notes = (
            f"{path}: nothing says whether its values are shifted by 1000, as those of Sentinel-2 since January 2022 "
            "are; they are read as not shifted",
        )
    return DateLayers(
        tuple(BandSource(product.bands[name], 0) for name in names),
        tuple(scale_to_model(chip_format, product.scale[name], product.offset[name]) for name in names),
        sensor.no_data_value,
        _quality(product.quality, product.sensor, options, path),
        product.date,
        notes=notes,
    )


def _band_files(
    files: Mapping[str, str],
    names: Sequence[str],
    chip_format: ChipFormat,
    options: ReadingOptions,
    quality: str | None,
) -> DateLayers:
    _check_bands(files, names, "the bands")
    scaling, no_data = _scaling_of_sensor(chip_format, options.sensor)
    sources = tuple(BandSource(files[name], 0) for name in names)
    layer = _quality(quality, options.sensor, options, next(iter(files.values())))
    return DateLayers(sources, (scaling,) * len(names), no_data, layer)


def _as_in_training(path: str, chip_format: ChipFormat, options: ReadingOptions, quality: str | None) -> DateLayers:
    """Choose the layers as those of chips are chosen: of all dates, or of one if the file has as many layers."""
    info, dates = read_info(path), chip_format.temporal_dim
    expected = chip_format.rules.num_layers
    if dates > 1 and expected is not None and expected % dates == 0 and len(info.data_layers) == expected // dates:
        chip_format = _of_one_date(chip_format)
    try:
        choice = choose_layers(info, chip_format, path)
    except LayerError as error:
        if "scale_tags" in error.advice:
            raise
        advice = "name the bands of all its layers with bands, or its product with sensor"
        raise LayerError(error.problem, advice) from error
    own = (chip_format.multiplier, chip_format.offset)
    return DateLayers(
        tuple(BandSource(path, layer) for layer in choice.layers),
        choice.scaling or (own,) * len(choice.layers),
        chip_format.no_data_value,
        _quality(quality, options.sensor, options, path),
        tags=info.tags,
        notes=choice.notes,
    )


def _named_layers(
    path: str, names: Sequence[str], chip_format: ChipFormat, options: ReadingOptions, quality: str | None
) -> DateLayers:
    """Choose layers by the names of `options.bands`, or of the sensor."""
    info = read_info(path)
    layers = info.data_layers
    own = options.bands or find_sensor(str(options.sensor)).bands
    if len(layers) % len(own):
        what = "bands" if options.bands else f"sensor={options.sensor}"
        raise ConfigError(
            f"{path}: has {counted(len(layers), 'layer')}, but {what} names {len(own)}; name the layers with bands"
        )
    _check_bands(own, names, path)
    scaling, no_data = _scaling_of_sensor(chip_format, options.sensor)
    chosen = [layers[start + own.index(name)] for start in range(0, len(layers), len(own)) for name in names]
    return DateLayers(
        tuple(BandSource(path, layer) for layer in chosen),
        (scaling,) * len(chosen),
        no_data,
        _quality(quality, options.sensor, options, path),
        tags=info.tags,
    )


def _of_one_date(chip_format: ChipFormat) -> ChipFormat:
    dates, rules = chip_format.temporal_dim, chip_format.rules
    bands = chip_format.bands and chip_format.bands[: len(chip_format.bands) // dates]
    num_layers = rules.num_layers and rules.num_layers // dates
    return replace(chip_format, temporal_dim=1, bands=bands, rules=replace(rules, num_layers=num_layers))


def _check_bands(available: Sequence[str] | Mapping[str, str], names: Sequence[str], what: str) -> None:
    missing = [name for name in names if name not in available]
    if missing:
        raise DataError(f"{what}: lacks {', '.join(missing)}, which the model needs; there are {', '.join(available)}")


def _scaling_of_sensor(chip_format: ChipFormat, sensor: str | None) -> tuple[tuple[float, float], float | None]:
    """Return factor and offset to the unit of the model, and the no-data value."""
    if sensor is None:
        return (chip_format.multiplier, chip_format.offset), chip_format.no_data_value
    product = find_sensor(sensor)
    if product.radar_unit != chip_format.radar_unit:
        kinds = [unit or "reflectance" for unit in (product.radar_unit, chip_format.radar_unit)]
        raise ConfigError(f"sensor={sensor}: has {kinds[0]}, but the model was trained on {kinds[1]}")
    if product.radar_unit is not None:
        return (chip_format.multiplier, chip_format.offset), product.no_data_value
    return scale_to_model(chip_format, product.scale, product.offset), product.no_data_value


def scale_to_model(chip_format: ChipFormat, scale: float, offset: float) -> tuple[float, float]:
    """Return factor and offset from stored values, whose scale and offset give reflectance x 10000, to the model."""
    factor = chip_format.tag_factor / REFLECTANCE_UNIT
    added = 0.0 if chip_format.rules.tag_factor is not None else chip_format.offset
    return factor * scale, factor * offset + added


def _quality(path: str | None, sensor: str | None, options: ReadingOptions, what: str) -> QualitySource | None:
    if not options.mask:
        return None
    if path is None or sensor is None:
        missing = "quality layer" if path is None else "sensor, whose flags its quality layer has"
        raise ConfigError(f"mask={','.join(options.mask)}: {what} has no {missing}; name it, or leave mask out")
    if sensor not in QUALITY_FLAGS:
        raise ConfigError(f"mask={','.join(options.mask)}: the quality layer of {sensor} is not known")
    flags = QUALITY_FLAGS[sensor]
    return QualitySource(path, flags, check_flags(options.mask, flags, sensor), options.dilation)
