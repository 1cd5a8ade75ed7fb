"""The smallest head, one linear map of each patch: a linear probe of the encoder."""

from torch import Tensor, nn

from instageo.model.heads.base import HeadInput, HeadSpec, stack_dates_as_channels


class LinearHead(nn.Module):
    """A 1x1 convolution of all dates of the last block; the network resizes its logits to the image."""

    pyramid = False

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__()
        self.classify = nn.Conv2d(spec.in_channels, spec.num_classes, kernel_size=1)

    def forward(self, features: HeadInput) -> Tensor:
        """Return logits (B, K, h, w), one per patch."""
        logits: Tensor = self.classify(stack_dates_as_channels(features.maps[-1]))
        return logits
