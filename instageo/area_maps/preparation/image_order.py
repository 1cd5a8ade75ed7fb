"""Which images of a period an area is mapped from, and which of them come first where several show a pixel."""

from collections.abc import Sequence

from instageo.area_maps.request import Days
from instageo.data.matching.scenes import Scene


def order_images(scenes: Sequence[Scene], days: Days, composite: str) -> tuple[Scene, ...]:
    """Return the images of a period, the preferred one first.

    Args:
        scenes: Images of a tile.
        days: The period.
        composite: `clearest` to prefer images with fewer clouds, `none` to take only the one with the fewest,
            otherwise newer images are preferred.
    """
    own = [scene for scene in scenes if days.first <= scene.day <= days.last]
    own.sort(key=lambda scene: (scene.item.time, scene.item.id), reverse=True)
    if composite in ("clearest", "none"):
        own.sort(key=lambda scene: (scene.item.cloud_percent is None, scene.cloud_percent))
    return tuple(own[:1] if composite == "none" else own)
