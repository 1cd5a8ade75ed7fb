"""Build augmentations from settings."""

from instageo.model.augmentations.pipeline import AUGMENTATIONS, AugmentationSpec
from instageo.model.augmentations.user_defined import check_user_augmentation
from instageo.model.settings import Settings


def augmentations_from_settings(settings: Settings) -> tuple[AugmentationSpec, ...]:
    """Build the augmentations that are switched on, in their order, the user's own last.

    Raises:
        ConfigError: One of the user's own does not exist or does not take its parameters.
    """
    group = settings.dataloader.augmentations
    entries = {name: getattr(group, name) for name in AUGMENTATIONS}
    built_in = [
        AugmentationSpec(name, entry.p, {key: value for key, value in vars(entry).items() if key not in ("use", "p")})
        for name, entry in entries.items()
        if entry.use
    ]
    own = [AugmentationSpec(entry.function, entry.p, entry.parameters) for entry in group.own if entry.use]
    for spec in own:
        check_user_augmentation(spec.name, spec.parameters)
    return *built_in, *own
