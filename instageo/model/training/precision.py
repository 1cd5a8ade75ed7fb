"""Choose the number format of a training: bfloat16 where the device computes with it and a trial agrees."""

import logging
import math
from dataclasses import replace
from pathlib import Path

import torch

from instageo.errors import CheckpointError
from instageo.model.backbones.torch_files import METADATA_KEY, read_tensor_file
from instageo.model.networks.checkpoint import checked_metadata
from instageo.model.networks.device import has_bf16_units, inference_autocast, pick_device
from instageo.model.networks.from_settings import network_from_settings
from instageo.model.settings import Settings
from instageo.model.settings.run_settings import AUTO_PRECISION, FLOAT32
from instageo.model.training.setup import TrainingInputs

log = logging.getLogger(__name__)

BF16 = "bf16-mixed"

TRIAL_IMAGES = 2

LARGEST_ERROR = 0.05
"""Largest deviation of the trial's outputs, root mean square, as a share of their own standard deviation."""


def with_precision(inputs: TrainingInputs, newest: Path | None = None) -> TrainingInputs:
    """Return the inputs of a training with its number format in place of `precision=auto`.

    The choice depends on the device and the network only, not on times, so that a run can be repeated from its seed. A
    resumed run keeps the format of its checkpoint.

    Args:
        inputs: With resolved settings.
        newest: The checkpoint that the run resumes from; None for a new run.
    """
    settings = inputs.settings
    if settings.precision != AUTO_PRECISION:
        return inputs
    chosen = _recorded_precision(newest) if newest else _best_precision(settings)
    return replace(inputs, settings=replace(settings, precision=chosen))


def _best_precision(settings: Settings) -> str:
    device = pick_device(settings.accelerator)
    if not has_bf16_units(device):
        log.info("precision: %s; this %s has no units for bfloat16", FLOAT32, device.upper())
        return FLOAT32
    error = trial_error(settings, device)
    chosen = BF16 if error <= LARGEST_ERROR else FLOAT32
    log.info(
        "precision: %s; outputs of a trial in bfloat16 deviate by %.1f %% of their spread; precision=… chooses another",
        chosen,
        100 * error,
    )
    return chosen


def trial_error(settings: Settings, device: str) -> float:
    """Return how far outputs of the network with random weights deviate in bfloat16, infinite if one is not a number.

    Args:
        settings: Resolved settings of the network.
        device: Where to compute.

    Returns:
        Root mean square of the deviations, divided by the standard deviation of the outputs.
    """
    data = settings.dataloader
    with torch.random.fork_rng(), torch.device(device):
        torch.manual_seed(0)
        net = network_from_settings(settings).eval()
        bands, dates, side = len(data.mean or ()), data.temporal_dim, data.img_size
        image = torch.randn(TRIAL_IMAGES, bands, dates, side, side)
        exact, rounded = (_outputs(net, image, precision) for precision in (FLOAT32, BF16))
    error = float((rounded - exact).square().mean().sqrt() / exact.std())
    return error if math.isfinite(error) else math.inf


def _outputs(net: torch.nn.Module, image: torch.Tensor, precision: str) -> torch.Tensor:
    with inference_autocast(image.device, precision):
        outputs: torch.Tensor = net(image).double()
    return outputs


def _recorded_precision(path: Path) -> str:
    """Return the number format with which the run of a checkpoint was trained."""
    content = read_tensor_file(path, CheckpointError)
    stored = checked_metadata(path, content)
    recorded = [stored[name].get("precision") for name in ("settings", "run")] if METADATA_KEY in content else []
    formats = [name for name in recorded if name not in (None, AUTO_PRECISION)]
    return str(formats[0]) if formats else FLOAT32
