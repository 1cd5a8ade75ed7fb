"""Initialise a network from a larger trained one: chosen blocks, and evenly spaced channels of each.

Single weights of a larger network are a better start than random ones (weight selection, Xu et al. 2024, Initializing
Models with Larger Ones). Evenly spaced channels also keep the meaning of each channel of the position embedding, if one
embed_dim is a multiple of the other.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from instageo.errors import ConfigError
from instageo.model.backbones.prithvi import PrithviEncoder
from instageo.model.backbones.weights import PATCHES, match_bands
from instageo.model.heads.patch_decoder import PatchDecoder
from instageo.model.networks.base import SegmentationNetwork
from instageo.wording import counted

INIT_FROM_TEACHER = "distill.init_from_teacher=true"
"""What needs the encoders, for messages."""


def even_indices(count: int, total: int) -> Tensor:
    """Return `count` evenly spaced indices of 0..total - 1, starting at 0: 0 and 2 for two of four."""
    return torch.arange(count) * total // count


def even_blocks(count: int, total: int) -> list[int]:
    """Return evenly spaced blocks from the first to the last: 0, 2, 4, 7, 9, 11 for six of twelve (as DistilBERT)."""
    return [round(number * (total - 1) / max(count - 1, 1)) for number in range(count)]


@dataclass(frozen=True)
class ChannelSelection:
    """Indices of the channels of a wide encoder that a narrow one takes.

    Attributes:
        tokens: Of a token, shape (embed_dim,).
        attention: Within attention, one head after the other, shape (embed_dim,).
        hidden: Within the two linear layers of a block, shape (4 * embed_dim,).
        queries: Rows of the projection to query, key and value, shape (3 * embed_dim,).
    """

    tokens: Tensor
    attention: Tensor
    hidden: Tensor
    queries: Tensor

    def indices_for(self, key: str) -> tuple[Tensor, ...]:
        """Return indices along the first dimensions of an encoder's tensor; the other dimensions are taken whole."""
        layer = re.sub(r"^blocks\.\d+\.|\.(weight|bias)$", "", key)
        if layer == "cls_token":
            return torch.zeros(1, dtype=torch.long), torch.zeros(1, dtype=torch.long), self.tokens
        if layer.endswith("scale"):
            return ()
        outputs = {"attn.qkv": self.queries, "mlp.fc1": self.hidden}.get(layer, self.tokens)
        inputs = {
            "attn.qkv": self.tokens, "attn.proj": self.attention, "mlp.fc1": self.tokens, "mlp.fc2": self.hidden,
        }.get(layer)  # fmt: skip
        return (outputs, inputs) if inputs is not None and key.endswith("weight") else (outputs,)


def select_channels(student: PrithviEncoder, teacher: PrithviEncoder) -> ChannelSelection:
    """Select the teacher's channels for a student: evenly spaced heads, and evenly spaced channels in each of them.

    Raises:
        ConfigError: The student has wider tokens or heads, more heads, or another patch size.
    """
    (heads, per_head), (teacher_heads, teacher_per_head) = map(_head_sizes, (student, teacher))
    sizes = {
        "patch size": (student.patch_size, teacher.patch_size, student.patch_size == teacher.patch_size),
        "embed_dim": (student.embed_dim, teacher.embed_dim, student.embed_dim <= teacher.embed_dim),
        "attention heads": (heads, teacher_heads, heads <= teacher_heads),
        "channels per head": (per_head, teacher_per_head, per_head <= teacher_per_head),
    }
    for name, (student_size, teacher_size, fits) in sizes.items():
        if not fits:
            raise ConfigError(
                f"distill.init_from_teacher=true: {name} {student_size} in the student, {teacher_size} in the teacher; "
                f"expected {'the same' if name == 'patch size' else 'no more'}: choose another model.model_name or "
                "model.embed_dim, or remove distill.init_from_teacher"
            )
    head_starts = even_indices(heads, teacher_heads)[:, None] * teacher_per_head
    attention = (head_starts + even_indices(per_head, teacher_per_head)).flatten()
    return ChannelSelection(
        tokens=even_indices(student.embed_dim, teacher.embed_dim),
        attention=attention,
        hidden=even_indices(4 * student.embed_dim, 4 * teacher.embed_dim),
        queries=(torch.arange(3)[:, None] * teacher.embed_dim + attention).flatten(),
    )


def _head_sizes(encoder: PrithviEncoder) -> tuple[int, int]:
    """Return the number of attention heads, and the channels of each."""
    num_heads = encoder.blocks[0].attn.num_heads
    return num_heads, encoder.embed_dim // num_heads


def select_layers(student: PrithviEncoder, teacher: PrithviEncoder, layers: Sequence[int] | None) -> list[int]:
    """Select the teacher's block for each of the student's.

    Args:
        student: Network to initialise.
        teacher: Network to take from.
        layers: Chosen blocks, from 0; None for evenly spaced ones.

    Raises:
        ConfigError: They are too few, too many, or do not exist.
    """
    depth, teacher_depth = len(student.blocks), len(teacher.blocks)
    if layers is None and depth > teacher_depth:
        raise ConfigError(
            f"distill.init_from_teacher=true: the student has {counted(depth, 'block')}, the teacher {teacher_depth}; "
            f"lower model.depth, or name the teacher's block for each with distill.teacher_layers"
        )
    selected = even_blocks(depth, teacher_depth) if layers is None else list(layers)
    if len(selected) != depth or not all(0 <= block < teacher_depth for block in selected):
        raise ConfigError(
            f"distill.teacher_layers={selected} does not work; expected {depth} of the teacher's blocks "
            f"0..{teacher_depth - 1}, one for each of the student's"
        )
    return selected


def init_from_teacher(
    student: SegmentationNetwork,
    teacher: SegmentationNetwork,
    layers: Sequence[int] | None = None,
    *,
    bands: tuple[Sequence[str], Sequence[str]],
    with_head: bool,
) -> None:
    """Initialise a network from a trained one that is as large or larger.

    Equal sizes and all layers give exactly the teacher.

    Args:
        student: Changed in place.
        teacher: Left unchanged.
        layers: The teacher's block for each of the student's; None for evenly spaced ones.
        bands: Names of the student's and of the teacher's bands, matched as for pretrained weights.
        with_head: Whether to initialise the head too; both heads need the same kind, hidden channels and bands.

    Raises:
        ConfigError: The teacher lacks the channels or blocks.
    """
    encoder, teacher_encoder = (net.encoder_for(INIT_FROM_TEACHER) for net in (student, teacher))
    state = teacher_encoder.state_dict()
    blocks, channels = select_layers(encoder, teacher_encoder, layers), select_channels(encoder, teacher_encoder)
    if tuple(bands[0]) != tuple(bands[1]):
        state[PATCHES] = match_bands(state[PATCHES], bands[1], bands[0])
    selected = {}
    for key in encoder.state_dict():
        source = re.sub(r"^blocks\.(\d+)", lambda match: f"blocks.{blocks[int(match[1])]}", key)
        if key != "pos_embed" and source in state:
            selected[key] = take_indices(state[source], channels.indices_for(key))
    encoder.load_state_dict(selected, strict=False)
    if with_head:
        head, teacher_head = student.segmentation_head, teacher.segmentation_head
        pools_dates = any(isinstance(part, PatchDecoder) for part in teacher_head.children())
        num_dates = 1 if pools_dates else teacher_encoder.temporal_dim
        head.load_state_dict(_select_head(head.state_dict(), teacher_head.state_dict(), num_dates))


def take_indices(tensor: Tensor, indices: Sequence[Tensor]) -> Tensor:
    """Take the parts of a tensor at given indices along its first dimensions."""
    for dimension, positions in enumerate(indices):
        tensor = tensor.index_select(dimension, positions.to(tensor.device))
    return tensor


def _select_head(student: Mapping[str, Tensor], teacher: Mapping[str, Tensor], num_dates: int) -> dict[str, Tensor]:
    """Cut the tensors of a head for wider tokens to size, by evenly spaced channels wherever a side is shorter.

    Args:
        student: Tensors of the right shapes.
        teacher: Tensors to take from.
        num_dates: Dates of a channel, which lie next to each other and stay together.
    """
    selected = {}
    for key, value in teacher.items():
        indices = []
        for size, teacher_size in zip(student[key].shape, value.shape, strict=True):
            dates = 1 if size == teacher_size else num_dates
            channels = even_indices(size // dates, teacher_size // dates)
            indices.append((channels[:, None] * dates + torch.arange(dates)).flatten())
        selected[key] = take_indices(value, indices)
    return selected
