"""Settings that a user made but that have no effect in a run, so that none is ignored without a word."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from instageo.model.backbones.variants import CONV_VARIANTS, find_variant
from instageo.model.settings.augmentations import Augmentations
from instageo.model.settings.fields import Role
from instageo.model.settings.keys import is_setting, keys_with
from instageo.model.settings.map_settings import Engine
from instageo.model.settings.run_settings import Mode, Settings, chosen_loggers, get_setting
from instageo.model.settings.train import Scheduler


@dataclass(frozen=True)
class Condition:
    """When some settings have an effect.

    Attributes:
        keys: The settings; a group stands for all that is in it.
        holds: Whether they have one.
        reason: What is missing, after "because".
    """

    keys: tuple[str, ...]
    holds: Callable[[Settings], bool]
    reason: str


CONDITIONS = (
    Condition(("test.img_size",), lambda _: False, "images of any size are predicted whole; tiles have test.crop_size"),
    Condition(
        ("test.mask_cloud",), lambda s: s.dataloader.temporal_dim > 1, "a chip has one date (dataloader.temporal_dim=1)"
    ),
    Condition(
        ("train.plateau_factor", "train.plateau_patience"),
        lambda s: s.train.scheduler is Scheduler.plateau,
        "train.scheduler is not plateau",
    ),
    Condition(
        ("model.lora_alpha", "model.lora_dropout", "model.lora_targets"),
        lambda s: s.model.lora_rank is not None,
        "model.lora_rank is not set",
    ),
    Condition(
        ("model.drop_path", "model.gradient_checkpointing", "train.layer_decay"),
        lambda s: s.model.model_name not in CONV_VARIANTS,
        "convolutional networks have no transformer blocks",
    ),
    Condition(
        ("model.date_pooling",),
        lambda s: s.model.model_name in CONV_VARIANTS and s.dataloader.temporal_dim > 1,
        "it is for convolutional networks and several dates",
    ),
    Condition(("model.weights",), lambda s: not s.checkpoint_path, "checkpoint_path names the weights"),
    Condition(
        ("model.coords_dropout",),
        lambda s: find_variant(s.model.model_name).coordinates,
        "this variant takes no dates and location",
    ),
    Condition(
        ("model.plot_reg_results", "model.include_ee_metric", "model.expected_error", "model.output_range"),
        lambda s: s.is_reg_task,
        "is_reg_task=true is missing",
    ),
    Condition(("model.expected_error",), lambda s: s.model.include_ee_metric, "model.include_ee_metric is false"),
    Condition(("model.class_names", "model.class_colors"), lambda s: not s.is_reg_task, "values have no classes"),
    Condition(("energy_country",), lambda s: s.energy, "energy=true is missing"),
    Condition(
        ("tracking",),
        lambda s: bool({"mlflow", "wandb"} & set(chosen_loggers(s.logger))),
        "logger is neither mlflow nor wandb",
    ),
    Condition(
        ("engine.export",),
        lambda s: s.engine.backend in ("auto", "openvino") and s.engine.precision in ("auto", "int8"),
        "engine.backend or engine.precision excludes int8",
    ),
    Condition(("ray",), lambda s: s.engine.kind is Engine.ray, "engine=ray is missing"),
    *(
        Condition(
            tuple(f"dataloader.augmentations.{name}.{option}" for option in vars(augmentation) if option != "use"),
            lambda s, name=name: getattr(s.dataloader.augmentations, name).use,  # type: ignore[misc]
            f"dataloader.augmentations.{name}.use is false",
        )
        for name, augmentation in vars(Augmentations()).items()
        if name != "own"
    ),
)
"""Settings that depend on others."""

TRAINING = (Mode.train, Mode.lr_find)

MODES: dict[str, tuple[Mode, ...]] = {
    "train": TRAINING,
    "distill": TRAINING,
    "dataloader.augmentations": (*TRAINING, Mode.show_batch),
    "dataloader.sampler": (*TRAINING, Mode.show_batch),
    "dataloader.cache": (*TRAINING, Mode.eval),
    "dataloader.num_workers": (*TRAINING, Mode.eval),
    "devices": TRAINING,
    "strategy": TRAINING,
    "output_dir": (Mode.chip_inference,),
    "engine.kind": (Mode.chip_inference, Mode.map),
    "engine": (Mode.eval, Mode.chip_inference, Mode.map),
    "ray": (Mode.chip_inference, Mode.map),
    "map": (Mode.map,),
    "export": (Mode.export,),
    "test": (Mode.train, Mode.eval, Mode.chip_inference, Mode.map),
    **dict.fromkeys(
        (
            "model.load_pretrained_weights", "model.weights", "model.freeze_backbone", "model.train_last_blocks",
            "model.lora_rank", "model.lora_alpha", "model.lora_dropout", "model.lora_targets", "model.drop_path",
            "model.coords_dropout", "model.gradient_checkpointing", "model.weight_clip_range",
        ),
        TRAINING,
    ),
}  # fmt: skip
"""Modes in which settings have an effect, where these are not all."""

MODE_EXCEPTIONS = {
    "train.batch_size": (Mode.eval, Mode.chip_inference, Mode.map),
    "train.lr_find": (Mode.lr_find,),
    "test.crop_size": (Mode.export,),
}
"""Further modes in which a setting of such a group has an effect."""


def describe_ineffective(settings: Settings, explicit: Iterable[str]) -> list[str]:
    """Return a sentence for each setting that the user made and that has no effect in combination with the others.

    Args:
        settings: Resolved settings.
        explicit: Keys that the user set.
    """
    sentences, defaults = [], Settings()
    for key in sorted(explicit):
        if not is_setting(key) or get_setting(settings, key) == get_setting(defaults, key):
            continue
        for condition in CONDITIONS:
            if any(_belongs(key, name) for name in condition.keys) and not condition.holds(settings):
                sentences.append(f"{key} has no effect, because {condition.reason}")
                break
    return sentences


def describe_unused_in_mode(mode: Mode, typed: Iterable[str]) -> list[str]:
    """Return a sentence for each setting on the command line that has no effect in a mode.

    Args:
        mode: The mode.
        typed: Keys on the command line, since configuration files may serve several modes.
    """
    stored = {*keys_with(Role.default_from_checkpoint), *keys_with(Role.fixed_by_checkpoint)}
    sentences = []
    for key in sorted(set(typed) - stored):
        modes = next((modes for group, modes in MODES.items() if _belongs(key, group)), None)
        further = next((modes for group, modes in MODE_EXCEPTIONS.items() if _belongs(key, group)), ())
        if modes is not None and mode not in (*modes, *further):
            used = ", ".join(each.value for each in (*modes, *further))
            sentences.append(f"{key} has no effect in mode={mode.value}; it is for {used}")
    return sentences


def _belongs(key: str, group: str) -> bool:
    return key == group or key.startswith(f"{group}.")
