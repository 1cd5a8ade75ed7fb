"""Settings of a run: its inputs, mode, devices and loggers, and the groups of further settings."""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from instageo.errors import ConfigError
from instageo.locations import is_remote
from instageo.model.settings.data import DataSettings, LabelKind, SamplerKind
from instageo.model.settings.fields import ANYTIME, PLACE, Role, check, group, setting
from instageo.model.settings.map_settings import EngineSettings, ExportSettings, MapSettings
from instageo.model.settings.network import ModelSettings
from instageo.model.settings.train import DistillSettings, TrainSettings
from instageo.wording import counted

LOGGERS = ("tensorboard", "mlflow", "wandb")
"""Valid names in `logger`, in addition to `none`."""


AUTO_PRECISION, FLOAT32 = "auto", "32-true"
"""Values of `precision`: chosen by the device, and 32-bit numbers throughout."""


class TrackingMode(Enum):
    """Whether Weights & Biases uploads data."""

    auto = "auto"
    online = "online"
    offline = "offline"


@dataclass
class RaySettings:
    """Settings of the worker processes and their cluster."""

    address: str | None = setting(
        None, "address of a running cluster: auto or HOST:6379; null: start Ray on this machine"
    )
    num_workers: int | None = setting(
        None, "worker processes; null: one for each GPU, or one for each machine without a GPU", former_name="workers"
    )
    max_retries: int = setting(2, "further attempts for a chip whose worker process was killed")

    def __post_init__(self) -> None:
        client = self.address is not None and self.address.startswith("ray://")
        check(not client, "ray.address", self.address, "auto or HOST:6379, on one of the cluster's machines")
        check(
            self.num_workers is None or self.num_workers >= 1,
            "ray.num_workers",
            self.num_workers,
            "null, or at least 1 process",
        )
        check(self.max_retries >= 0, "ray.max_retries", self.max_retries, "0 or more")


@dataclass
class TestSettings:
    """Settings of scoring and inference: the group `test`."""

    __test__ = False  # not a test case

    img_size: int | None = setting(
        None, "accepted for compatibility, has no effect: inputs of any size are mapped whole"
    )
    crop_size: int | None = setting(None, "side of a tile, pixels; null: the size of training")
    stride: int | None = setting(None, "step between tiles, pixels; null: a tile less its overlap")
    overlap: int | None = setting(None, "pixels that tiles share; null: a sixteenth of a tile, at least 16")
    mask_cloud: bool = setting(
        False,
        "published name; clouds are not detected: true: pixels without an observation at any of the dates become "
        "no-data; false: only pixels without one at all dates",
    )

    def __post_init__(self) -> None:
        for name in ("crop_size", "stride"):
            value = getattr(self, name)
            check(value is None or value >= 1, f"test.{name}", value, "null, or at least 1 pixel")
        check(self.overlap is None or self.overlap >= 0, "test.overlap", self.overlap, "null, or 0 or more pixels")
        one = "null with test.stride: a tile less its stride overlaps"
        check(self.overlap is None or self.stride is None, "test.overlap", self.overlap, one)
        if self.crop_size is not None and self.stride is not None:
            what = f"at most test.crop_size={self.crop_size}, so that tiles leave no gap"
            check(self.stride <= self.crop_size, "test.stride", self.stride, what)


@dataclass
class TrackingSettings:
    """Settings of MLflow and Weights & Biases: where to log a run, and under which name."""

    uri: str | None = setting(None, "MLflow's server; null: $MLFLOW_TRACKING_URI", Role.free_text)
    experiment: str = setting("instageo", "MLflow experiment or W&B project", Role.free_text)
    name: str | None = setting(None, "name of the run; null: chosen by the tracker", Role.free_text)
    mode: TrackingMode = setting(
        TrackingMode.auto,
        "W&B: online | offline | auto: as $WANDB_MODE, else online if $WANDB_API_KEY is set, else offline",
    )
    upload: bool = setting(False, "true: upload the best checkpoint to the tracker")

    def __post_init__(self) -> None:
        check(bool(self.experiment.strip()), "tracking.experiment", self.experiment, "a name")


class Mode(Enum):
    """Modes of `python -m instageo.model.run`."""

    train = "train"
    eval = "eval"
    chip_inference = "chip_inference"
    stats = "stats"
    check = "check"
    show_batch = "show_batch"
    lr_find = "lr_find"
    map = "map"
    export = "export"


@dataclass
class Settings:
    """All settings of a run; the field names are the YAML keys."""

    root_dir: str | None = setting(
        None,
        "folder or URL that paths in the tables are relative to (s3:// gs:// az:// https://)",
        Role.free_text,
        *PLACE,
    )
    train_filepath: str | None = setting(
        None, "tables: CSV, JSON or Parquet with the columns Input and Label", Role.free_text, Role.no_effect_on_maps
    )
    valid_filepath: str | None = setting(None, "", Role.free_text, Role.no_effect_on_maps)
    test_filepath: str | None = setting(None, "", Role.free_text, *PLACE)
    checkpoint_path: str | None = setting(
        None,
        "checkpoint for eval, chip_inference, map and export; in training: initial weights",
        Role.free_text,
        Role.free_on_resume,
        Role.no_effect_on_maps,
    )
    output_dir: str | None = setting(
        None, "output folder of predictions; null: `predictions` in the run directory", Role.free_text, *PLACE
    )
    mode: Mode = setting(Mode.train, " | ".join(mode.value for mode in Mode), *PLACE)
    is_reg_task: bool = setting(
        False,
        "true: regression; labels are values, not classes",
        Role.fixed_by_checkpoint,
        Role.shared_with_teacher,
        Role.shared_with_data,
        Role.same_task,
    )
    seed: int = setting(42, "", Role.free_between_repeats, Role.no_effect_on_maps)
    precision: str = setting(
        AUTO_PRECISION,
        "auto | 32-true | bf16-mixed | 16-mixed; auto: bf16-mixed where the device computes with it, else 32-true",
        Role.recorded_in_checkpoint,
    )
    accelerator: str = setting("auto", "auto | cpu | gpu | cuda | mps", *ANYTIME)
    devices: Any = setting("auto", "number of devices, -1 for all, or auto", *ANYTIME)
    strategy: str = setting("auto", "auto | ddp | fsdp: how to use several devices", *ANYTIME)
    compile: bool = setting(False, "true: use torch.compile; takes minutes to start, then faster", *ANYTIME)
    energy: bool = setting(False, "true: measure energy and CO2 of the run for run.json (extra `energy`)", *PLACE)
    energy_country: str | None = setting(None, "country of the electricity, ISO 3166 alpha-3 code, such as KEN", *PLACE)
    logger: Any = setting(
        "tensorboard", "tensorboard | mlflow | wandb | none, or a list: [tensorboard, mlflow]", *PLACE
    )
    train: TrainSettings = group(TrainSettings)
    model: ModelSettings = group(ModelSettings)
    dataloader: DataSettings = group(DataSettings)
    test: TestSettings = group(TestSettings)
    distill: DistillSettings = group(DistillSettings, "with train.distillation=true", Role.no_effect_on_maps)
    tracking: TrackingSettings = group(
        TrackingSettings, "with logger=mlflow or logger=wandb; see docs/tracking.md", *PLACE
    )
    engine: EngineSettings = group(EngineSettings, "with mode=eval, chip_inference and map; see docs/speed.md", *PLACE)
    ray: RaySettings = group(
        RaySettings, "with engine=ray; see docs/batch_inference.md", Role.free_on_resume, Role.no_effect_on_maps
    )
    map: MapSettings = group(MapSettings, "with mode=map; see docs/maps.md", *PLACE)
    export: ExportSettings = group(ExportSettings, "with mode=export; see docs/export.md", *PLACE)

    def __post_init__(self) -> None:
        check(0 <= self.seed < 2**31, "seed", self.seed, "0 or more, below 2^31")
        count = self.devices
        ok = count == "auto" or (isinstance(count, int) and (count >= 1 or count == -1))
        check(ok, "devices", count, "auto, or a number of devices (-1 for all)")
        for name, choices in CHOICES.items():
            value = getattr(self, name)
            check(value in choices, name, value, f"one of {', '.join(choices)}", choices)
        check_loggers(self.logger)
        country = self.energy_country
        ok = not self.energy if country is None else len(country) == 3 and country.isalpha() and country.isupper()
        what = "the three letters of ISO 3166 for the country whose electricity this machine uses, such as KEN"
        check(ok, "energy_country", country, what)
        self._check_task()
        weights, classes = self.train.class_weights, self.model.num_classes
        fits = not isinstance(weights, list) or len(weights) == classes
        check(fits, "train.class_weights", weights, f"{counted(classes, 'weight')}, as model.num_classes")
        first = int(self.dataloader.reduce_to_zero)
        inside = 0 <= self.train.ignore_index < classes + first and not self.is_reg_task
        what = f"a value outside the classes 0..{classes - 1 + first}"
        check(not inside, "train.ignore_index", self.train.ignore_index, what)
        self._check_distillation()
        averaging = f"null with strategy={self.strategy}, which spreads the weights over devices"
        check(
            self.train.ema_decay is None or self.strategy != "fsdp", "train.ema_decay", self.train.ema_decay, averaging
        )

    def _check_task(self) -> None:
        data, model = self.dataloader, self.model
        if not self.is_reg_task:
            least = 1 if data.label_kind is LabelKind.chip_multi else 2
            check(
                model.num_classes >= least,
                "model.num_classes",
                model.num_classes,
                f"at least {counted(least, 'class')}",
            )
            off = "false without is_reg_task=true: classes have no logarithm"
            check(not model.use_log_scale, "model.use_log_scale", True, off)
            return
        model.num_classes = 1
        kinds = "raster or chip with is_reg_task=true"
        check(data.label_kind is not LabelKind.chip_multi, "dataloader.label_kind", data.label_kind, kinds)
        check(
            data.sampler is SamplerKind.shuffle, "dataloader.sampler", data.sampler, "shuffle: values have no classes"
        )
        check(
            self.train.class_weights is None, "train.class_weights", self.train.class_weights, "null: values have none"
        )
        off = "false with is_reg_task=true: labels are values; name the one for no label with train.ignore_index"
        check(not data.reduce_to_zero, "dataloader.reduce_to_zero", True, off)

    def _check_distillation(self) -> None:
        """Check that a teacher comes with distillation, and features with an encoder that is trained."""
        distillation, teacher, distill = self.train.distillation, self.train.teacher_ckpt_path, self.distill
        if distillation != (teacher is not None):
            pair = f"train.distillation={str(distillation).lower()} and train.teacher_ckpt_path={teacher}"
            todo = "name the teacher with train.teacher_ckpt_path" if distillation else "add train.distillation=true"
            raise ConfigError(f"{pair} contradict each other; {todo}, or leave both out")
        if not distillation and distill != DistillSettings():
            raise ConfigError("distill.* does nothing without train.distillation=true; add it, or leave distill.* out")
        if not distill.feature_weight:
            return
        for name, set_so in {"model.freeze_backbone": self.model.freeze_backbone, "compile": self.compile}.items():
            check(not set_so, "distill.feature_weight", distill.feature_weight, f"0 with {name}=true")


PRECISIONS = (AUTO_PRECISION, FLOAT32, "16-mixed", "bf16-mixed")
"""Number formats of training, by Lightning's names, and the choice of one by the device."""

ACCELERATORS = ("auto", "cpu", "gpu", "cuda", "mps")
"""Devices to compute on; auto and gpu choose what the machine has."""

STRATEGIES = ("auto", "ddp", "fsdp")
"""Ways to use several devices: ddp copies the network to each, fsdp (GPUs only) shards it over them."""

CHOICES = {"precision": PRECISIONS, "accelerator": ACCELERATORS, "strategy": STRATEGIES}
"""Words that settings take."""


def require_settings(settings: Settings, *names: str) -> None:
    """Check that settings are given.

    Raises:
        ConfigError: One is missing; the message names it.
    """
    for name in names:
        value = get_setting(settings, name)
        if value is None or value == "None":
            raise ConfigError(f"mode={settings.mode.value} needs {name}; add {name}=… to the command")
    root = str(settings.root_dir)
    if "root_dir" in names and not is_remote(root) and not Path(root).expanduser().is_dir():
        raise ConfigError(f"root_dir={root} is not a folder; expected the folder that the table's paths start from")


def get_setting(settings: Settings, name: str) -> object:
    """Return the value of the setting `group.key`."""
    value: object = settings
    for part in name.split("."):
        value = getattr(value, part)
    return value


def chosen_loggers(logger: object) -> list[str]:
    """Return the loggers that the key `logger` names; empty for `none` and null."""
    names = logger if isinstance(logger, list) else [logger]
    return [str(name) for name in names if name not in (None, "none")]


def check_loggers(logger: object) -> None:
    """Check that `logger` names existing loggers, each once.

    Raises:
        ConfigError: It does not.
    """
    names = chosen_loggers(logger)
    alone = not names or not isinstance(logger, list) or len(names) == len(logger)
    ok = alone and set(names) <= set(LOGGERS) and len(set(names)) == len(names)
    check(ok, "logger", logger, f"{', '.join(LOGGERS)}, none, or a list of different ones", LOGGERS)
