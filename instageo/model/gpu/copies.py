"""Copy samples to a GPU and outputs back while it computes something else."""

import torch
from torch import Tensor

from instageo.model.chips.sample import Sample

Finished = torch.cuda.Event | None
"""Is reached when all that was given to a GPU until then is computed; None on a CPU."""


class GpuCopies:
    """Copies between a device and main memory on a stream of their own; on a CPU nothing is copied.

    The methods may be called by threads other than the one that computes. What they return is complete.

    Args:
        device: The device that computes, on its current stream.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        on_gpu = device.type == "cuda"
        self._computing = torch.cuda.current_stream(device) if on_gpu else None
        self._copying = torch.cuda.Stream(device) if on_gpu else None  # type: ignore[no-untyped-call]

    def upload(self, sample: Sample) -> Sample:
        """Return a sample, or a batch, on the device."""
        if self._copying is None or self._computing is None:
            return sample.to(self._device)
        with torch.cuda.stream(self._copying):
            uploaded = sample.to(self._device)
        self._copying.synchronize()
        computing = self._computing
        uploaded.map(lambda tensor: _used_on(tensor, computing))
        return uploaded

    def finished(self) -> Finished:
        """Return an event that is reached when all that was given to the device so far is computed."""
        return None if self._computing is None else self._computing.record_event()

    def download(self, outputs: Tensor, finished: Finished) -> Tensor:
        """Return a tensor in main memory, when the device has reached an event."""
        if self._copying is None or finished is None:
            return outputs.cpu()
        self._copying.wait_event(finished)
        with torch.cuda.stream(self._copying):
            downloaded = outputs.to("cpu", non_blocking=False)
        return downloaded


def gpu_copies(device: torch.device) -> GpuCopies | None:
    """Return copies to and from a GPU; None for other devices."""
    return GpuCopies(device) if device.type == "cuda" else None


def _used_on(tensor: Tensor, stream: torch.cuda.Stream) -> Tensor:
    """Keep the memory of a tensor from being used again before a stream has finished with it."""
    tensor.record_stream(stream)
    return tensor
