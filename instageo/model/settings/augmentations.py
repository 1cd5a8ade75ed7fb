"""Settings of augmentation: the group `dataloader.augmentations`."""

from dataclasses import dataclass, field
from typing import Any

from instageo.model.settings.fields import check, setting


@dataclass
class Augmentation:
    """One augmentation: whether it is used, and with what probability on each sample."""

    use: bool = False
    p: float = 0.5

    def __post_init__(self) -> None:
        check(0 <= self.p <= 1, "dataloader.augmentations.*.p", self.p, "a probability in 0..1")


@dataclass
class RotateAugmentation(Augmentation):
    """Rotation by an angle drawn from -degrees..degrees."""

    degrees: float = 90.0

    def __post_init__(self) -> None:
        super().__post_init__()
        what = "degrees in 0..180"
        check(0 <= self.degrees <= 180, "dataloader.augmentations.rotate.degrees", self.degrees, what)


@dataclass
class CropAugmentation(Augmentation):
    """A window with a share of the area from min_scale..1, enlarged to the whole."""

    min_scale: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        what = "a share of the area, above 0 and at most 1"
        check(0 < self.min_scale <= 1, "dataloader.augmentations.resized_crop.min_scale", self.min_scale, what)


@dataclass
class BrightnessAugmentation(Augmentation):
    """Multiplication by a factor drawn from 1-limit..1+limit."""

    limit: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        check(0 <= self.limit < 1, "dataloader.augmentations.brightness.limit", self.limit, "0 or more, below 1")


@dataclass
class ContrastAugmentation(Augmentation):
    """Distances from the sample's mean of a band multiplied by a factor drawn from 1-limit..1+limit."""

    limit: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        check(0 <= self.limit < 1, "dataloader.augmentations.contrast.limit", self.limit, "0 or more, below 1")


@dataclass
class HazeAugmentation(Augmentation):
    """An offset of each band that falls with the wavelength, up to `max_offset` in BLUE."""

    max_offset: float = 1000.0

    def __post_init__(self) -> None:
        super().__post_init__()
        what = "reflectance x 10000, above 0, at most 5000"
        check(0 < self.max_offset <= 5000, "dataloader.augmentations.haze.max_offset", self.max_offset, what)


@dataclass
class SpeckleAugmentation(Augmentation):
    """Radar power multiplied by gamma-distributed numbers of mean 1 and variance 1 / looks."""

    looks: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        check(1 <= self.looks <= 100, "dataloader.augmentations.speckle.looks", self.looks, "a whole number in 1..100")


@dataclass
class BlurAugmentation(Augmentation):
    """Gaussian blur with a standard deviation of `sigma` pixels."""

    p: float = 0.2
    sigma: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check(0 < self.sigma <= 5, "dataloader.augmentations.blur.sigma", self.sigma, "above 0, at most 5 pixels")


@dataclass
class NoiseAugmentation(Augmentation):
    """Gaussian noise of `std` times each band's standard deviation."""

    p: float = 0.2
    std: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self.std >= 0, "dataloader.augmentations.noise.std", self.std, "0 or more")


@dataclass
class DropoutAugmentation(Augmentation):
    """Bands or dates hidden, each with probability `share`, never all."""

    share: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        check(0 <= self.share <= 1, "dataloader.augmentations.*_dropout.share", self.share, "a probability in 0..1")


@dataclass
class OwnAugmentation(Augmentation):
    """A function of the user's, and what it is called with besides batch and draws."""

    use: bool = True
    function: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        file, _, name = self.function.rpartition(":")
        what = "FILE.py:FUNCTION"
        ok = file.endswith(".py") and name.isidentifier()
        check(ok, "dataloader.augmentations.own.function", self.function or "(nothing)", what)


@dataclass
class Augmentations:
    """Applied in this order to training samples."""

    hflip: Augmentation = setting(Augmentation(use=True))
    vflip: Augmentation = setting(Augmentation(use=True))
    rot90: Augmentation = setting(Augmentation(), "by 90, 180 or 270 degrees", former_name="turn90")
    rotate: RotateAugmentation = setting(RotateAugmentation(), "by an angle between -degrees and degrees")
    resized_crop: CropAugmentation = setting(CropAugmentation(), "enlarge a window of at least this share of the area")
    brightness: BrightnessAugmentation = setting(
        BrightnessAugmentation(), "multiply by a factor in 1 - limit .. 1 + limit"
    )
    contrast: ContrastAugmentation = setting(ContrastAugmentation(), "the same, for differences from the band's mean")
    haze: HazeAugmentation = setting(
        HazeAugmentation(), "add scattered light, most in BLUE: 0 .. max_offset there, in reflectance x 10000"
    )
    speckle: SpeckleAugmentation = setting(
        SpeckleAugmentation(), "radar: multiply power by gamma noise of this number of looks, the fewer the stronger"
    )
    blur: BlurAugmentation = setting(BlurAugmentation(), "Gaussian, sigma in pixels")
    noise: NoiseAugmentation = setting(NoiseAugmentation(), "Gaussian, std times the standard deviation of the band")
    band_dropout: DropoutAugmentation = setting(
        DropoutAugmentation(), "each band becomes its mean with this probability, but never all bands"
    )
    date_dropout: DropoutAugmentation = setting(
        DropoutAugmentation(), "each date becomes no-data with this probability, but never all dates"
    )
    own: list[OwnAugmentation] = setting(
        [], "your own: [{function: FILE.py:FUNCTION, p: 0.5, parameters: {…}}]; see docs/augmentation.md"
    )
