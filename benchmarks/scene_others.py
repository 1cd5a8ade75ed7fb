"""Map a scene with the tiled inference of other packages, with the same network, in one process.

python benchmarks/scene_others.py {terratorch,geoai} PACKAGES CHECKPOINT SCENE OUTPUT

PACKAGES is a folder made by `pip install --no-deps --target PACKAGES terratorch geoai-py`. Only the module with tiled
inference is loaded of each, without the packages' own `__init__`, which import all their dependencies. Each reads and
blends in its own way; tiles have 224 pixels, as in training, and eight make a batch. TerraTorch has its default step of
192 and crops 8 pixels from borders; geoai has its default overlap, a quarter of a tile.
"""

import argparse
import importlib.util
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import torch

from instageo import load_model
from instageo.model.inference.predictor import Predictor
from instageo.model.networks.memory import keep_freed_memory

TILE, BATCH = 224, 8

STAND_INS: dict[str, tuple[str, ...]] = {
    "terratorch": (), "terratorch.models": (), "terratorch.tasks": (), "terratorch.registry": ("BACKBONE_REGISTRY",),
    "torchvision": (), "torchvision.models": (), "torchvision.models.detection": (),
    "torchvision.models.detection.image_list": ("ImageList",),
    "torchvision.models.detection.transform": ("GeneralizedRCNNTransform",),
}  # fmt: skip
"""Modules that TerraTorch's file imports, and names in them, of which tiled inference uses none."""


class Network(torch.nn.Module):
    """From stored values (B, C, H, W) to probabilities (B, K, H, W)."""

    def __init__(self, model: Predictor) -> None:
        super().__init__()
        self.net = model.net
        data = model.settings.dataloader
        self.mean = torch.tensor(data.mean)[:, None, None]
        self.std = torch.tensor(data.std)[:, None, None]

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Normalise and predict."""
        outputs: torch.Tensor = self.net(((image - self.mean) / self.std)[:, :, None])
        return outputs.softmax(1)


def load_file(name: str, path: Path) -> Any:
    """Import one file as a module."""
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def map_with_terratorch(packages: Path, network: Network, scene: Path, output: Path) -> None:
    """Read the whole scene, predict it, and write the classes."""
    for name, attributes in STAND_INS.items():
        sys.modules[name] = types.ModuleType(name)
        vars(sys.modules[name]).update(dict.fromkeys(attributes, object))
    load_file("terratorch.models.utils", packages / "terratorch/models/utils.py")
    tiled = load_file("terratorch.tasks.tiled_inference", packages / "terratorch/tasks/tiled_inference.py")
    with rasterio.open(scene) as file:
        image, profile = torch.from_numpy(file.read().astype(np.float32))[None], file.profile
    with torch.inference_mode():
        probabilities = tiled.tiled_inference(network, image, batch_size=BATCH)
    profile |= {"count": 1, "dtype": "uint8", "nodata": 255}
    with rasterio.open(output, "w", **profile) as file:
        file.write(probabilities.argmax(1).numpy().astype(np.uint8))


def map_with_geoai(packages: Path, network: Network, scene: Path, output: Path) -> None:
    """Let it read, predict and write."""
    utils: Any = types.ModuleType("geoai.utils")
    utils.get_device = lambda: torch.device("cpu")
    sys.modules |= {"geoai": types.ModuleType("geoai"), "geoai.utils": utils}
    load_file("geoai.inference", packages / "geoai/inference.py").predict_geotiff(
        network, str(scene), str(output), TILE, TILE // 4, BATCH, num_classes=2, output_dtype="uint8",
        output_nodata=255, preprocess_fn=lambda tile: tile.astype(np.float32), device="cpu", compress="deflate",
        postprocess_fn=lambda output: output.argmax(0)[None].astype(np.uint8), verbose=False,
    )  # fmt: skip


def main() -> None:
    """Map one scene."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", choices=("terratorch", "geoai"))
    for name in ("packages", "checkpoint", "scene", "output"):
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    keep_freed_memory()
    network = Network(load_model(arguments.checkpoint, device="cpu")).eval()
    chosen = map_with_terratorch if arguments.package == "terratorch" else map_with_geoai
    chosen(arguments.packages, network, arguments.scene, arguments.output)


if __name__ == "__main__":
    main()
