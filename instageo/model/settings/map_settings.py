"""Settings of trained networks: what computes them, the group `engine`, and what `mode=map` and `mode=export` make."""

from dataclasses import dataclass
from datetime import date
from enum import Enum

from instageo.errors import ConfigError
from instageo.model.settings.fields import Role, check, setting

TTA_CHOICES = ("none", "flips", "d4")
"""Sets of flips and rotations for test-time augmentation."""

VECTOR_FORMATS = (".gpkg", ".geojson", ".parquet")
"""Endings of files of polygons."""


BACKEND_CHOICES = ("auto", "torch", "openvino", "onnxruntime")
"""Runtimes that compute networks; auto tries them."""

PRECISION_CHOICES = ("auto", "f32", "bf16", "int8")
"""Number formats of inference; auto tries float32, bfloat16 where the machine multiplies it, and int8 exports."""


BACKEND_PRECISIONS = {"torch": ("auto", "f32", "bf16"), "onnxruntime": ("auto", "f32")}
"""Number formats of the runtimes that have not all of them."""


class Engine(Enum):
    """Where batch inference takes place: in this process, or in worker processes on Ray."""

    local = "local"
    ray = "ray"


@dataclass
class EngineSettings:
    """What computes networks in inference, and where."""

    kind: Engine = setting(
        Engine.local,
        "local | ray: chip_inference and map in this process, or in processes on this machine or a cluster (extra "
        "`serve`); engine=ray means the same",
        former_key="engine",
    )
    backend: str = setting("auto", f"{' | '.join(BACKEND_CHOICES)}; auto: the fastest by trial (extra `fast`)")
    precision: str = setting("auto", f"{' | '.join(PRECISION_CHOICES)}; int8 needs openvino (extra `export`)")
    export: str | None = setting(
        None, "folder with an int8 export of the model; null: `exports` next to the checkpoint", Role.free_text
    )

    def __post_init__(self) -> None:
        for name, choices in (("backend", BACKEND_CHOICES), ("precision", PRECISION_CHOICES)):
            value = getattr(self, name)
            check(value in choices, f"engine.{name}", value, f"one of {', '.join(choices)}", choices)
        able = BACKEND_PRECISIONS.get(self.backend, PRECISION_CHOICES)
        expected = f"{', '.join(able[:-1])} or {able[-1]} with engine.backend={self.backend}"
        check(self.precision in able, "engine.precision", self.precision, expected)


@dataclass
class MapSettings:
    """What is mapped, how it is read, and what is written."""

    scenes: list[str] = setting(
        [], "rasters, folders or archives of products, URLs, folders of rasters, tables; several dates one by one"
    )
    band_files: list[str] = setting([], "single-band files instead of scenes, such as BLUE=b02.tif")
    output: str | None = setting(None, "path of the map (.tif), or folder of maps; null: the folder `maps`")
    sensor: str | None = setting(None, "product in the rasters, such as sentinel2_l2a; null: as in training")
    bands: list[str] = setting([], "names of the layers of the rasters, in their order; []: those of the sensor")
    dates: list[str] = setting([], "acquisition dates, YYYY-MM-DD; []: those of products and tags")
    mask: list[str] = setting([], "flags of the quality layer that become no-data, such as cloud, shadow")
    dilation: float = setting(0.0, "pixels by which the mask grows")
    quality: list[str] = setting([], "quality layer of each date, with sensor; products bring their own")
    resolution: float | None = setting(None, "pixel size in units of the CRS; null: that of the finest band")
    probabilities: bool = setting(False, "true: also write the probability of each class")
    confidence: bool = setting(False, "true: also write the probability of the chosen class")
    spread: bool = setting(False, "true: also write the standard deviation over an ensemble's predictions")
    tta: str = setting("none", "test-time augmentation: none | flips | d4 (all flips and quarter turns)")
    members: list[str] = setting([], "further checkpoints or runs, averaged with the first")
    vector: str | None = setting(
        None, "also write polygons: a path that ends in .gpkg, .geojson or .parquet, or the ending"
    )
    min_pixels: int = setting(1, "smaller polygons are merged with their neighbours")
    memory_mb: int = setting(1000, "memory beyond that of the network and the program, MB")
    overwrite: bool = setting(False, "true: make maps again that are there already")

    def __post_init__(self) -> None:
        """Check values; messages name a setting without its group, as options of `instageo map` and of `map` do."""
        check(self.tta in TTA_CHOICES, "tta", self.tta, f"one of {', '.join(TTA_CHOICES)}", TTA_CHOICES)
        check(self.dilation >= 0, "dilation", self.dilation, "0 or more pixels")
        check(self.resolution is None or self.resolution > 0, "resolution", self.resolution, "null, or above 0")
        check(self.min_pixels >= 1, "min_pixels", self.min_pixels, "at least 1 pixel")
        check(self.memory_mb >= 1, "memory_mb", self.memory_mb, "at least 1 MB")
        ok = self.min_pixels == 1 or self.vector is not None
        check(ok, "min_pixels", self.min_pixels, "1 without vector, the polygons that it merges")
        ok = self.vector is None or self.vector.lower().endswith(VECTOR_FORMATS)
        check(ok, "vector", self.vector, f"a path or ending of {', '.join(VECTOR_FORMATS)}")
        if self.spread and self.tta == "none" and not self.members:
            raise ConfigError("spread: one prediction has no spread; add members, tta=flips or tta=d4")
        for text in self.band_files:
            name, _, path = text.partition("=")
            check(bool(name and path), "band", text, "NAME=PATH, such as BLUE=b02.tif")
        for text in self.dates:
            check(_is_date(text), "date", text, "a date such as 2024-03-05")


@dataclass
class ExportSettings:
    """What `mode=export` writes, as the options of `instageo export`; `ExportRequest` checks the values."""

    format: str | None = setting(None, "onnx | openvino | pt2 (PyTorch) | deepness (QGIS)")
    output: str | None = setting(None, "folder of the files; null: `exports` next to the checkpoint", Role.free_text)
    name: str | None = setting(None, "beginning of the files' names; null: that of the run's folder", Role.free_text)
    table: str | None = setting(
        None,
        "table or folder of chips to compare file and network on; null: the validation table of the model",
        Role.free_text,
    )
    precision: str = setting("f32", "f32 | int8 (openvino)")
    calibration: str | None = setting(
        None, "for int8: table or folder of chips; null: the training table of the model", Role.free_text
    )
    tile: int | None = setting(None, "side of the images, pixels; null: that of training")
    opset: int | None = setting(None, "operator set of ONNX, 17 to 23; null: 18")
    normalized_input: bool = setting(False, "true: take normalised images in place of pixels as files store them")
    logits: bool = setting(False, "true: give the network's outputs in place of probabilities or natural values")
    dates: list[str] = setting([], "date of all images, YYYY-MM-DD, one or one for each date; []: dates are an input")
    lat_lon: list[float] = setting([], "[latitude, longitude] of all images, degrees; []: locations are an input")
    resolution: float | None = setting(None, "for deepness: metres per pixel; null: that of the chips")
    gate: bool = setting(True, "false: write the file without comparing it with the network")


def _is_date(text: object) -> bool:
    try:
        date.fromisoformat(str(text))
    except ValueError:
        return False
    return True
