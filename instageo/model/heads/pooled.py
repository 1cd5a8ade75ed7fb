"""One output per chip, from the mean of its tokens."""

from torch import Tensor, nn

from instageo.model.heads.base import HeadInput, HeadSpec

DROPOUT = 0.1


class PooledHead(nn.Module):
    """Mean of the last block's tokens over patches and dates, layer normalisation, and a linear map.

    For fine-tuned transformers the mean of the patches works at least as well as the class token (Beyer et al. 2022).
    """

    pyramid, image_level = False, True

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(spec.embed_dim)
        self.drop = nn.Dropout(DROPOUT)
        self.classify = nn.Linear(spec.embed_dim, spec.num_classes)

    def forward(self, features: HeadInput) -> Tensor:
        """Return logits (B, K, 1, 1)."""
        pooled = features.maps[-1].mean(dim=(2, 3, 4))
        logits: Tensor = self.classify(self.drop(self.norm(pooled)))
        return logits[..., None, None]
