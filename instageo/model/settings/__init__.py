"""Settings of a run as dataclasses, filled from YAML and the command line; each checks its own values."""

from instageo.model.settings.data import AUTO, CacheKind, DataSettings, LabelKind, SamplerKind, ScaleTags
from instageo.model.settings.map_settings import Engine, EngineSettings
from instageo.model.settings.network import ModelSettings
from instageo.model.settings.run_settings import (
    Mode,
    RaySettings,
    Settings,
    TestSettings,
    TrackingSettings,
    get_setting,
    require_settings,
)
from instageo.model.settings.train import DistillSettings, Scheduler, TrainSettings

__all__ = [
    "AUTO", "CacheKind", "DataSettings", "DistillSettings", "Engine", "EngineSettings", "LabelKind", "Mode",
    "ModelSettings", "RaySettings", "SamplerKind", "ScaleTags", "Scheduler", "Settings", "TestSettings",
    "TrackingSettings", "TrainSettings", "get_setting", "require_settings",
]  # fmt: skip
