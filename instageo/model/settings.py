"""The settings of a run: the dataclasses that the YAML keys and the command line fill, each checking its own values."""

import math
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from instageo.errors import ConfigError
from instageo.sensors import PRITHVI_V1_MEAN, PRITHVI_V1_STD


class Mode(Enum):
    """What `python -m instageo.model.run` does."""

    train = "train"
    eval = "eval"
    chip_inference = "chip_inference"
    stats = "stats"


class Scheduler(Enum):
    """How the learning rate goes over the epochs."""

    constant = "constant"
    cosine = "cosine"


@dataclass
class TrainSettings:
    """Optimisation."""

    learning_rate: float = 1e-4
    num_epochs: int = 10
    batch_size: int = 8
    class_weights: list[float] | None = None  # one per class; None: all 1
    ignore_index: int = -1
    weight_decay: float = 1e-2
    scheduler: Scheduler = Scheduler.cosine
    warmup_epochs: float = 0.0  # share of the first epochs with a rising learning rate
    gradient_clip: float | None = None  # largest gradient norm; None: no clipping
    early_stopping: int | None = None  # epochs without a better val_mIoU before stopping; None: off
    resume: Any = False  # true: from the newest last.ckpt of the same settings; or the path of a last.ckpt
    distillation: bool = False
    teacher_ckpt_path: str | None = None

    def __post_init__(self) -> None:
        rate = self.learning_rate
        _check(0 < rate < math.inf, "train.learning_rate", rate, "a number above 0")
        _check(self.num_epochs >= 1, "train.num_epochs", self.num_epochs, "at least 1")
        _check(self.batch_size >= 1, "train.batch_size", self.batch_size, "at least 1")
        _check(self.weight_decay >= 0, "train.weight_decay", self.weight_decay, "0 or more")
        warm = self.warmup_epochs
        _check(0 <= warm <= self.num_epochs, "train.warmup_epochs", warm, f"0 to train.num_epochs={self.num_epochs}")
        patience = self.early_stopping
        _check(patience is None or patience >= 1, "train.early_stopping", patience, "null, or at least 1 epoch")
        clip = self.gradient_clip
        _check(clip is None or clip > 0, "train.gradient_clip", clip, "null, or a number above 0")
        _check(isinstance(self.resume, (bool, str)), "train.resume", self.resume, "true, false or a path")
        weights = self.class_weights
        sane = weights is None or (all(0 <= weight < math.inf for weight in weights) and sum(weights) > 0)
        _check(sane, "train.class_weights", weights, "null, or one weight of 0 or more per class, not all 0")


@dataclass
class ModelSettings:
    """Network."""

    model_name: str = "prithvi_eo_tiny"
    freeze_backbone: bool = False
    load_pretrained_weights: bool = False
    weights: str | None = None  # local file with encoder weights
    num_classes: int = 2
    class_names: list[str] | None = None
    class_colors: list[list[int]] | None = None  # [red, green, blue] in 0..255 per class
    head: str = "upscaling"
    depth: int = -1
    use_log_scale: bool = False
    plot_reg_results: bool = False
    include_ee_metric: bool = False
    weight_clip_range: list[float] | None = None

    def __post_init__(self) -> None:
        _check(self.num_classes >= 2, "model.num_classes", self.num_classes, "at least 2 classes")
        _check(self.num_classes <= 65535, "model.num_classes", self.num_classes, "at most 65535 classes")
        _check(self.depth == -1 or self.depth >= 1, "model.depth", self.depth, "-1, or at least 1 block")
        per_class = {"model.class_names": self.class_names, "model.class_colors": self.class_colors}
        for name, values in per_class.items():
            fits = values is None or len(values) == self.num_classes
            _check(fits, name, values, f"model.num_classes={self.num_classes} entries")
        names = self.class_names or []
        _check(len(set(names)) == len(names), "model.class_names", names, "a different name for each class")
        sane = all(len(color) == 3 and all(0 <= part <= 255 for part in color) for color in self.class_colors or [])
        _check(sane, "model.class_colors", self.class_colors, "[red, green, blue] in 0..255 per class")


@dataclass
class Augmentation:
    """One augmentation: whether it is used, and with what probability on each sample."""

    use: bool = False
    p: float = 0.5

    def __post_init__(self) -> None:
        _check(0 <= self.p <= 1, "dataloader.augmentations.*.p", self.p, "a probability in 0..1")


@dataclass
class RotateAugmentation(Augmentation):
    """Rotation by an angle drawn from -degrees..degrees."""

    degrees: float = 90.0

    def __post_init__(self) -> None:
        super().__post_init__()
        what = "degrees in 0..180"
        _check(0 <= self.degrees <= 180, "dataloader.augmentations.rotate.degrees", self.degrees, what)


@dataclass
class BrightnessAugmentation(Augmentation):
    """Multiplication by a factor drawn from 1-limit..1+limit."""

    limit: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(0 <= self.limit < 1, "dataloader.augmentations.brightness.limit", self.limit, "0 or more, below 1")


@dataclass
class BlurAugmentation(Augmentation):
    """Gaussian blur with a standard deviation of `sigma` pixels."""

    p: float = 0.2
    sigma: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(0 < self.sigma <= 5, "dataloader.augmentations.blur.sigma", self.sigma, "above 0, at most 5 pixels")


@dataclass
class NoiseAugmentation(Augmentation):
    """Gaussian noise of `std` times each band's standard deviation."""

    p: float = 0.2
    std: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(self.std >= 0, "dataloader.augmentations.noise.std", self.std, "0 or more")


@dataclass
class Augmentations:
    """Applied in this order to training samples."""

    hflip: Augmentation = field(default_factory=lambda: Augmentation(use=True))
    vflip: Augmentation = field(default_factory=lambda: Augmentation(use=True))
    rotate: RotateAugmentation = field(default_factory=RotateAugmentation)
    brightness: BrightnessAugmentation = field(default_factory=BrightnessAugmentation)
    blur: BlurAugmentation = field(default_factory=BlurAugmentation)
    noise: NoiseAugmentation = field(default_factory=NoiseAugmentation)


@dataclass
class DataSettings:
    """How files are read."""

    bands: list[int] | None = None  # 0-based positions in the file, for all dates; None: all layers
    mean: list[float] = field(default_factory=lambda: list(PRITHVI_V1_MEAN))  # one per band of a date
    std: list[float] = field(default_factory=lambda: list(PRITHVI_V1_STD))
    img_size: int = 224
    temporal_dim: int = 1
    replace_label: list[int] | None = None  # [from, to]
    reduce_to_zero: bool = False
    no_data_value: float | None = -9999
    constant_multiplier: float = 1.0
    max_pixel_value: float | None = None  # larger scaled values are cut to it; None: no limit
    num_workers: int = 0
    on_bad_row: str = "error"
    augmentations: Augmentations = field(default_factory=Augmentations)

    def __post_init__(self) -> None:
        _check(self.temporal_dim >= 1, "dataloader.temporal_dim", self.temporal_dim, "at least 1 date")
        _check(self.img_size >= 1, "dataloader.img_size", self.img_size, "at least 1 pixel")
        _check(self.num_workers >= 0, "dataloader.num_workers", self.num_workers, "0 or more")
        _check(self.on_bad_row in ("error", "skip"), "dataloader.on_bad_row", self.on_bad_row, "error or skip")
        _check(len(self.mean) >= 1, "dataloader.mean", self.mean, "one value per band of a date")
        same = len(self.std) == len(self.mean)
        _check(same, "dataloader.std", self.std, f"as many values as dataloader.mean, {len(self.mean)}")
        _check(all(map(math.isfinite, self.mean)), "dataloader.mean", self.mean, "finite values")
        _check(all(0 < std < math.inf for std in self.std), "dataloader.std", self.std, "finite values above 0")
        factor = self.constant_multiplier
        sane = math.isfinite(factor) and factor != 0
        _check(sane, "dataloader.constant_multiplier", factor, "a finite number other than 0")
        bands = self.bands
        expected = self.temporal_dim * len(self.mean)
        what = f"{self.temporal_dim} x {len(self.mean)} = {expected} positions (dataloader.temporal_dim x mean values)"
        _check(bands is None or len(bands) == expected, "dataloader.bands", bands, what)
        sane = bands is None or (min(bands) >= 0 and len(set(bands)) == len(bands))
        _check(sane, "dataloader.bands", bands, "different positions from 0")
        pair = self.replace_label
        _check(pair is None or len(pair) == 2, "dataloader.replace_label", pair, "null or [from, to]")


@dataclass
class TestSettings:
    """Scoring and inference."""

    __test__ = False  # not a test case

    img_size: int | None = None  # published key, without effect: inputs of any size are mapped whole
    crop_size: int | None = None  # side of a tile; None: the size the network was trained at
    stride: int | None = None  # step between tiles; None: half a tile
    mask_cloud: bool = False  # pixels that lack any date, not only those that lack all, become no-data

    def __post_init__(self) -> None:
        for name in ("crop_size", "stride"):
            value = getattr(self, name)
            _check(value is None or value >= 1, f"test.{name}", value, "null, or at least 1 pixel")
        if self.crop_size is not None and self.stride is not None:
            what = f"at most test.crop_size={self.crop_size}, so that tiles leave no gap"
            _check(self.stride <= self.crop_size, "test.stride", self.stride, what)


@dataclass
class Settings:
    """Everything one run needs; the field names are the YAML keys."""

    root_dir: str | None = None
    train_filepath: str | None = None
    valid_filepath: str | None = None
    test_filepath: str | None = None
    checkpoint_path: str | None = None
    output_dir: str | None = None  # where predictions go; None: `predictions` in the run directory
    mode: Mode = Mode.train
    is_reg_task: bool = False
    seed: int = 42
    precision: str = "32-true"
    accelerator: str = "auto"
    devices: Any = "auto"
    train: TrainSettings = field(default_factory=TrainSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    dataloader: DataSettings = field(default_factory=DataSettings)
    test: TestSettings = field(default_factory=TestSettings)

    def __post_init__(self) -> None:
        _check(0 <= self.seed < 2**31, "seed", self.seed, "0 or more, below 2^31")
        count = self.devices
        sane = count == "auto" or (isinstance(count, int) and (count >= 1 or count == -1))
        _check(sane, "devices", count, "auto, or a number of devices (-1 for all)")
        _check(self.precision in PRECISIONS, "precision", self.precision, f"one of {', '.join(PRECISIONS)}")
        _check(self.accelerator in ACCELERATORS, "accelerator", self.accelerator, f"one of {', '.join(ACCELERATORS)}")
        weights, classes = self.train.class_weights, self.model.num_classes
        fits = weights is None or len(weights) == classes
        _check(fits, "train.class_weights", weights, f"model.num_classes={classes} weights")
        first = int(self.dataloader.reduce_to_zero)
        inside = 0 <= self.train.ignore_index < classes + first
        what = f"a value outside the classes 0..{classes - 1 + first}"
        _check(not inside, "train.ignore_index", self.train.ignore_index, what)
        for name, (off, what) in UNSUPPORTED.items():
            if value_of(self, name) != off:
                raise ConfigError(
                    f"{name}={value_of(self, name)}: {what} is not part of this version; leave {name} out"
                )


PRECISIONS = ("32-true", "16-mixed", "bf16-mixed")
"""Number formats of training, in Lightning's words."""

ACCELERATORS = ("auto", "cpu", "gpu", "cuda", "mps")
"""Where to compute; auto and gpu take what the machine has."""

UNSUPPORTED: dict[str, tuple[object, str]] = {
    "is_reg_task": (False, "regression"),
    "train.distillation": (False, "distillation"),
    "train.teacher_ckpt_path": (None, "distillation"),
    "model.use_log_scale": (False, "regression"),
    "model.plot_reg_results": (False, "regression"),
    "model.include_ee_metric": (False, "regression"),
    "model.weight_clip_range": (None, "clipping of weights"),
}
"""Published keys whose work is still to come: the one value they may have until then, and what they are for."""


@dataclass(frozen=True)
class Run:
    """One run of a mode.

    Attributes:
        settings: Checked settings.
        folder: Where its files go.
        explicit: Keys that the user set; they may not contradict a checkpoint.
    """

    settings: Settings
    folder: Path
    explicit: frozenset[str] = frozenset()


def require(settings: Settings, *names: str) -> None:
    """Refuse to start without these settings.

    Raises:
        ConfigError: One is absent; the message names it.
    """
    for name in names:
        value = value_of(settings, name)
        if value is None or value == "None":
            raise ConfigError(f"mode={settings.mode.value} needs {name}; add {name}=… to the command")
    root = settings.root_dir
    if "root_dir" in names and not Path(str(root)).expanduser().is_dir():
        raise ConfigError(f"root_dir={root} is no folder; expected the folder that the table's paths start from")


def value_of(settings: Settings, name: str) -> object:
    """The setting called `group.key`."""
    value: object = settings
    for part in name.split("."):
        value = getattr(value, part)
    return value


def _check(holds: bool, name: str, found: object, expected: str) -> None:
    if not holds:
        found = found.value if isinstance(found, Enum) else found
        raise ConfigError(f"{name}={found} does not work; expected {expected}")
