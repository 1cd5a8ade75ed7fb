"""The smallest head: one linear map of each patch, to see what an encoder knows by itself."""

from torch import Tensor, nn

from instageo.model.heads.base import Features, HeadSpec, side_by_side


class LinearHead(nn.Module):
    """A 1x1 convolution of all dates of the last block; the network stretches its logits to the image."""

    pyramid = False

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__()
        self.classify = nn.Conv2d(spec.channels, spec.num_classes, kernel_size=1)

    def forward(self, features: Features) -> Tensor:
        """Logits (B, K, h, w)."""
        logits: Tensor = self.classify(side_by_side(features.maps[-1]))
        return logits
