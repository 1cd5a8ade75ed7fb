"""Build augmentations from settings."""

from instageo.model.augmentations.pipeline import AUGMENTATIONS, AugmentationSpec
from instageo.model.augmentations.user_defined import check_user_augmentation
from instageo.model.settings import Settings


def augmentations_from_settings(settings: Settings) -> tuple[AugmentationSpec, ...]:
    """The augmentations that are switched on, in their order, the user's own last.

    Raises:
        ConfigError: One of the user's own cannot be found, or called with its parameters.
    """
    group = settings.dataloader.augmentations
    chosen = {name: getattr(group, name) for name in AUGMENTATIONS}
    shipped = [
        AugmentationSpec(name, spec.p, {key: value for key, value in vars(spec).items() if key not in ("use", "p")})
        for name, spec in chosen.items()
        if spec.use
    ]
    own = [AugmentationSpec(spec.function, spec.p, spec.parameters) for spec in group.own if spec.use]
    for spec in own:
        check_user_augmentation(spec.name, spec.parameters)
    return *shipped, *own
