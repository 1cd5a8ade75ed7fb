"""An uploaded image, looked at before it is decoded."""

from pathlib import Path

from instageo.cog import header
from instageo.errors import RasterError
from instageo.model.serving.limits import Limits
from instageo.model.serving.problems import Refused


def check(path: Path, limits: Limits) -> None:
    """Refuse what is no GeoTIFF, or larger than this server decodes.

    Raises:
        Refused: With 415 or 413.
    """
    if path.stat().st_size == 0:
        raise Refused(422, "the file is empty; expected a GeoTIFF")
    try:
        layers, rows, columns, wide = header(path)
    except RasterError as error:
        raise Refused(415, str(error)) from error
    pixels = rows * columns
    if pixels > limits.megapixels * 1_000_000:
        raise Refused(413, f"the image has {columns} x {rows} pixels; this server takes {limits.megapixels} million")
    size = pixels * layers * max(wide, 4)
    if size > limits.decoded_mb * 1_000_000:
        raise Refused(413, f"the image has {size / 1e6:.0f} MB when decoded; this server takes {limits.decoded_mb}")
