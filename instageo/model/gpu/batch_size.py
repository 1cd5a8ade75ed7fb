"""How many images a GPU computes at a time; the default, for CPUs, would leave it idle."""

from collections.abc import Collection

import torch
from torch import nn

from instageo.model.gpu.peak_memory import measure_peak
from instageo.model.settings import Settings
from instageo.model.settings.compose import update_settings
from instageo.model.settings.derived import band_names

KEY = "train.batch_size"
"""Setting of the number of tiles per forward pass."""

MAX_BATCH = 64
"""Most images of a batch."""

MEMORY_SHARE = 0.5
"""Share of the free memory of a GPU that a batch may take."""


def with_gpu_batches(settings: Settings, explicit: Collection[str], net: nn.Module, device: torch.device) -> Settings:
    """Return settings whose batches suit the device; those that a user has chosen, and those of CPUs, stay.

    Args:
        settings: Resolved settings.
        explicit: Keys that the user set.
        net: The network, in evaluation mode, on the device.
        device: The device.
    """
    if device.type != "cuda" or KEY in explicit or settings.compile:
        return settings
    tile = settings.test.crop_size or settings.dataloader.img_size
    shape = len(band_names(settings)), settings.dataloader.temporal_dim, tile, tile
    size = fit_batch_size(_image_bytes(net, shape, device), torch.cuda.mem_get_info(device)[0])
    return update_settings(settings, {KEY: size})


def fit_batch_size(image_bytes: float | None, free_bytes: float) -> int:
    """Return the largest power of two, at most `MAX_BATCH`, whose images take at most a share of the free memory.

    Args:
        image_bytes: Memory of one image in the network; None if not even two fit.
        free_bytes: Free memory of the GPU.
    """
    size = MAX_BATCH if image_bytes is not None else 1
    while size > 1 and size * (image_bytes or 0) > MEMORY_SHARE * free_bytes:
        size //= 2
    return size


def _image_bytes(net: nn.Module, shape: tuple[int, ...], device: torch.device) -> float | None:
    """Return the memory that an image (C, T, H, W) takes in the network, from a batch of two; None if it has none."""
    before = torch.cuda.memory_allocated(device)
    try:
        with torch.inference_mode(), measure_peak(device) as peak:
            net(torch.zeros(2, *shape, device=device), None, None)
    except torch.OutOfMemoryError:
        return None
    return (peak() - before) / 2
