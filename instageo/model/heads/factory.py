"""Heads by name."""

from collections.abc import Callable

from torch import nn

from instageo.model.heads.base import HeadSpec
from instageo.model.heads.light import LightHead
from instageo.model.heads.light_v0 import LightV0Head
from instageo.model.heads.light_v1 import LightV1Head, LightV2Head
from instageo.model.heads.linear import LinearHead
from instageo.model.heads.pooled import PooledHead
from instageo.model.heads.unet import UNetHead
from instageo.model.heads.upernet import UPerNetHead
from instageo.model.heads.upscaling import upscaling_600m_head, upscaling_head

HEADS: dict[str, Callable[[HeadSpec], nn.Module]] = {
    "upscaling": upscaling_head,
    "light": LightHead,
    "linear": LinearHead,
    "unet": UNetHead,
    "upernet": UPerNetHead,
    "upscaling_600m": upscaling_600m_head,
    "light_v0": LightV0Head,
    "light_v1": LightV1Head,
    "light_v2": LightV2Head,
    "pooled": PooledHead,
}
"""Heads by name: functions that build, from a `HeadSpec`, a module from `HeadInput` to logits of any height and width.

Attributes of the module: `pyramid` says whether it takes four blocks of the encoder or the last one; `smallest`, if
present, how many patches per side it needs; `image_level`, if present and true, that it has one output per chip, of
height and width 1."""
