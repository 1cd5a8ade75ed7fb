"""Fingerprint of a model: what predictions depend on, apart from the image."""

from hashlib import sha256

import torch

from instageo.model.networks.checkpoint import locate_checkpoint
from instageo.model.settings import Settings
from instageo.model.settings.compose import settings_to_dict
from instageo.model.settings.fields import Role
from instageo.model.settings.keys import flatten, keys_with
from instageo.raster.reading import READING_VERSION
from instageo.stores.download import sha256_file
from instageo.version import __version__


def model_fingerprint(settings: Settings, engine: str = "") -> str:
    """Return a hash of the checkpoint's content, the settings that predictions depend on, and the versions.

    Args:
        settings: Resolved settings with the checkpoint's path.
        engine: What computes the network, `Predictor.engine`, if predictions of several may not be mixed.
    """
    relevant = {
        key: value
        for key, value in flatten(settings_to_dict(settings)).items()
        if key not in keys_with(Role.no_effect_on_maps)
    }
    versions = __version__, torch.__version__, READING_VERSION, engine
    checkpoint = sha256_file(locate_checkpoint(str(settings.checkpoint_path)))
    return sha256(repr((checkpoint, sorted(relevant.items()), *versions)).encode()).hexdigest()
