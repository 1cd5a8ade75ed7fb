"""The smallest head: one linear map of each patch, to see what an encoder knows by itself."""

from torch import Tensor, nn

from instageo.model.heads.base import HeadInput, HeadSpec, stack_dates_as_channels


class LinearHead(nn.Module):
    """A 1x1 convolution of all dates of the last block; the network stretches its logits to the image."""

    pyramid = False

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__()
        self.classify = nn.Conv2d(spec.channels, spec.num_classes, kernel_size=1)

    def forward(self, features: HeadInput) -> Tensor:
        """Logits (B, K, h, w)."""
        logits: Tensor = self.classify(stack_dates_as_channels(features.maps[-1]))
        return logits
