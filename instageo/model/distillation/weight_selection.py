"""Starting values of a network from a larger trained one: chosen blocks, and evenly spaced channels of each.

Single weights of a larger network are a better start than random ones (weight selection, Xu et al. 2024, Initializing
Models with Larger Ones). Evenly spaced channels also keep what each channel of the position embedding stands for, if
one embed_dim is a multiple of the other.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from instageo.errors import ConfigError
from instageo.model.backbones.prithvi import PrithviEncoder
from instageo.model.backbones.weights import PATCHES, match_bands
from instageo.model.heads.light import LightHead
from instageo.model.networks.segmenter import PrithviSegmenter


def even_indices(wanted: int, there: int) -> Tensor:
    """Places 0..there - 1, so many of them, evenly spaced from the first on: 0 and 2 for two of four."""
    return torch.arange(wanted) * there // wanted


def even_blocks(wanted: int, there: int) -> list[int]:
    """Blocks from the first to the last, evenly spaced: 0, 2, 4, 7, 9, 11 for six of twelve (as DistilBERT's)."""
    return [round(number * (there - 1) / max(wanted - 1, 1)) for number in range(wanted)]


@dataclass(frozen=True)
class ChannelSelection:
    """Which channels of a wide encoder a narrow one has.

    Attributes:
        tokens: Of a token, shape (embed_dim,).
        attention: Within attention, heads one after the other, shape (embed_dim,).
        hidden: Within the two linear layers of a block, shape (4 * embed_dim,).
        queries: Rows of the projection to query, key and value, shape (3 * embed_dim,).
    """

    tokens: Tensor
    attention: Tensor
    hidden: Tensor
    queries: Tensor

    def of(self, key: str) -> tuple[Tensor, ...]:
        """Places along the first dimensions of an encoder's tensor; all of the others."""
        layer = re.sub(r"^blocks\.\d+\.|\.(weight|bias)$", "", key)
        if layer == "cls_token":
            return torch.zeros(1, dtype=torch.long), torch.zeros(1, dtype=torch.long), self.tokens
        if layer.endswith("scale"):
            return ()
        into = {"attn.qkv": self.queries, "mlp.fc1": self.hidden}.get(layer, self.tokens)
        out_of = {
            "attn.qkv": self.tokens, "attn.proj": self.attention, "mlp.fc1": self.tokens, "mlp.fc2": self.hidden,
        }.get(layer)  # fmt: skip
        return (into, out_of) if out_of is not None and key.endswith("weight") else (into,)


def select_channels(heir: PrithviEncoder, donor: PrithviEncoder) -> ChannelSelection:
    """The channels of a donor that an heir gets: evenly spaced heads, and in each of them evenly spaced channels.

    Raises:
        ConfigError: The heir has wider tokens or heads, more heads, or other patches.
    """
    (heads, each), (their_heads, their_each) = map(_heads, (heir, donor))
    sizes = {
        "patch": (heir.patch, donor.patch, heir.patch == donor.patch),
        "embed_dim": (heir.embed_dim, donor.embed_dim, heir.embed_dim <= donor.embed_dim),
        "attention heads": (heads, their_heads, heads <= their_heads),
        "channels per head": (each, their_each, each <= their_each),
    }
    for name, (mine, theirs, fits) in sizes.items():
        if not fits:
            raise ConfigError(
                f"distill.init_from_teacher=true: {name} {mine} in the student, {theirs} in the teacher; expected "
                f"{'the same' if name == 'patch' else 'no more'}: choose another model.model_name or model.embed_dim, "
                "or leave distill.init_from_teacher out"
            )
    within = (even_indices(heads, their_heads)[:, None] * their_each + even_indices(each, their_each)).flatten()
    queries = (torch.arange(3)[:, None] * donor.embed_dim + within).flatten()
    return ChannelSelection(
        even_indices(heir.embed_dim, donor.embed_dim),
        within,
        even_indices(4 * heir.embed_dim, 4 * donor.embed_dim),
        queries,
    )


def _heads(encoder: PrithviEncoder) -> tuple[int, int]:
    """Heads, and channels of each."""
    heads = encoder.blocks[0].attn.heads
    return heads, encoder.embed_dim // heads


def select_layers(heir: PrithviEncoder, donor: PrithviEncoder, told: Sequence[int] | None) -> list[int]:
    """The donor's block for each of the heir's.

    Args:
        heir: Network to fill.
        donor: Network to take from.
        told: Blocks as chosen, from 0; None for evenly spaced ones.

    Raises:
        ConfigError: Too few, too many, or unknown ones.
    """
    mine, theirs = len(heir.blocks), len(donor.blocks)
    if told is None and mine > theirs:
        raise ConfigError(
            f"distill.init_from_teacher=true: the student has {mine} blocks, the teacher {theirs}; "
            f"lower model.depth, or name the teacher's block for each with distill.teacher_layers"
        )
    chosen = even_blocks(mine, theirs) if told is None else list(told)
    if len(chosen) != mine or not all(0 <= block < theirs for block in chosen):
        raise ConfigError(
            f"distill.teacher_layers={chosen} does not work; expected {mine} of the teacher's blocks 0..{theirs - 1}, "
            "one for each of the student's"
        )
    return chosen


def init_from_teacher(
    heir: PrithviSegmenter,
    donor: PrithviSegmenter,
    told: Sequence[int] | None = None,
    *,
    bands: tuple[Sequence[str], Sequence[str]],
    with_head: bool,
) -> None:
    """Fill a network from a trained one that is as large or larger.

    Equal sizes and all layers give exactly the donor.

    Args:
        heir: Changed in place.
        donor: Stays as it is.
        told: The donor's block for each of the heir's; None for evenly spaced ones.
        bands: Names of the heir's and of the donor's bands, matched as for pretrained weights.
        with_head: Whether the heads are of one kind, hidden_channels embed_dim and bands, and the heir's is filled too.

    Raises:
        ConfigError: The donor does not have what it takes.
    """
    mine, theirs = heir.prithvi_encoder, donor.prithvi_encoder
    state, chosen, picks = theirs.state_dict(), select_layers(mine, theirs, told), select_channels(mine, theirs)
    if tuple(bands[0]) != tuple(bands[1]):
        state[PATCHES] = match_bands(state[PATCHES], bands[1], bands[0])
    filled = {}
    for key in mine.state_dict():
        source = re.sub(r"^blocks\.(\d+)", lambda found: f"blocks.{chosen[int(found[1])]}", key)
        if key != "pos_embed" and source in state:
            filled[key] = take_indices(state[source], picks.of(key))
    mine.load_state_dict(filled, strict=False)
    if with_head:
        own = heir.segmentation_head.state_dict()
        step = 1 if isinstance(donor.segmentation_head, LightHead) else theirs.temporal_dim  # it pools dates first
        heir.segmentation_head.load_state_dict(_head_state(own, donor.segmentation_head.state_dict(), step))


def take_indices(tensor: Tensor, places: Sequence[Tensor]) -> Tensor:
    """The parts of a tensor at some places along its first dimensions."""
    for dimension, chosen in enumerate(places):
        tensor = tensor.index_select(dimension, chosen.to(tensor.device))
    return tensor


def _head_state(own: Mapping[str, Tensor], theirs: Mapping[str, Tensor], step: int) -> dict[str, Tensor]:
    """Tensors of a head of wider tokens, cut to size: evenly spaced channels wherever a side is shorter.

    Args:
        own: Tensors of the right shapes.
        theirs: Tensors to take from.
        step: Dates of a channel that lie side by side and stay together.
    """
    cut = {}
    for key, value in theirs.items():
        sides = zip(own[key].shape, value.shape, strict=True)
        together = [1 if mine == wide else step for mine, wide in zip(own[key].shape, value.shape, strict=True)]
        cut[key] = take_indices(
            value,
            [
                (even_indices(mine // dates, wide // dates)[:, None] * dates + torch.arange(dates)).flatten()
                for (mine, wide), dates in zip(sides, together, strict=True)
            ],
        )
    return cut
