"""Build augmentations from settings."""

from instageo.errors import ConfigError
from instageo.model.augmentations.pipeline import AUGMENTATIONS, AugmentationSpec
from instageo.model.augmentations.user_defined import check_user_augmentation
from instageo.model.settings import Settings
from instageo.model.settings.derived import band_names
from instageo.sensors import WAVELENGTHS_UM

OF_REFLECTANCE, OF_RADAR = ("brightness", "haze"), ("speckle",)
"""Augmentations that only reflectance, or only radar backscatter, has a meaning for."""


def augmentations_from_settings(settings: Settings) -> tuple[AugmentationSpec, ...]:
    """Build the augmentations that are switched on, in their order, the user's own last.

    Raises:
        ConfigError: One of the user's own does not exist or does not take its parameters, one does not suit the kind of
            data, or haze is to be added to bands without a wavelength.
    """
    group = settings.dataloader.augmentations
    _check_kind_of_data(settings)
    entries = {name: getattr(group, name) for name in AUGMENTATIONS}
    parameters = {
        name: {key: value for key, value in vars(entry).items() if key not in ("use", "p")}
        for name, entry in entries.items()
    }
    if group.haze.use:
        parameters["haze"]["wavelengths"] = _wavelengths(settings)
    built_in = [AugmentationSpec(name, entry.p, parameters[name]) for name, entry in entries.items() if entry.use]
    own = [AugmentationSpec(entry.function, entry.p, entry.parameters) for entry in group.own if entry.use]
    for spec in own:
        check_user_augmentation(spec.name, spec.parameters)
    return *built_in, *own


def _check_kind_of_data(settings: Settings) -> None:
    """Refuse augmentations of reflectance for radar, and speckle for anything else."""
    data = settings.dataloader
    radar = data.radar_unit is not None
    for name in OF_REFLECTANCE if radar else OF_RADAR:
        if getattr(data.augmentations, name).use:
            kinds = ("reflectance", "radar, which speckle suits") if radar else ("radar", "no radar")
            raise ConfigError(
                f"dataloader.augmentations.{name}.use=true is for {kinds[0]}, but these chips hold {kinds[1]} "
                f"(dataloader.radar_unit={data.radar_unit or 'null'}); remove {name}"
            )


def _wavelengths(settings: Settings) -> list[float]:
    """Return the wavelength of each band, micrometres."""
    names = band_names(settings)
    unknown = [name for name in names if name not in WAVELENGTHS_UM]
    if unknown:
        raise ConfigError(
            f"dataloader.augmentations.haze.use=true needs the wavelength of each band, but {', '.join(unknown)} has "
            f"none; name the bands with dataloader.band_names (there are {', '.join(WAVELENGTHS_UM)}), or remove haze"
        )
    return [WAVELENGTHS_UM[name] for name in names]
