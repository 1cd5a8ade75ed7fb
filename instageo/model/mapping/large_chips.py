"""Map chips that are too large to be predicted whole, for `mode=chip_inference`."""

from pathlib import Path

from instageo.files import write_text
from instageo.model.figures.qgis_style import render_qml, style_path
from instageo.model.inference.fingerprint import model_fingerprint
from instageo.model.inference.predictor import Predictor
from instageo.model.mapping.ensemble import Ensemble
from instageo.model.mapping.map_files import class_legend
from instageo.model.mapping.map_scene import SceneMap, map_scene
from instageo.model.mapping.prepared_map import MapOptions
from instageo.model.scenes.date_layers import ReadingOptions
from instageo.model.scenes.scene_input import SceneFiles, open_scene_input
from instageo.table import Row

LARGE_CHIP_BYTES = 1 << 30
"""Memory from which a chip is mapped in strips."""


def is_large(predictor: Predictor, row: Row) -> bool:
    """Return whether a chip is mapped in strips rather than predicted whole; its pixels are not read.

    Raises:
        RasterError: The file is missing or unreadable.
    """
    return not predictor.task.image_level and predictor.required_memory(row.input) > LARGE_CHIP_BYTES


def map_chip(predictor: Predictor, row: Row, output: Path) -> SceneMap:
    """Map a chip in strips; the map has the same pixels as that of the chip predicted whole.

    Raises:
        InstaGeoError: The chip cannot be read or predicted, or the map cannot be written.
    """
    files = SceneFiles(row.input, (row.input,), tuple(row.dates), row.lat_lon)
    source = open_scene_input(files, predictor, ReadingOptions())
    fingerprint = {"model": model_fingerprint(predictor.settings), **source.stamp}
    made = map_scene(Ensemble([predictor]), source, output, MapOptions(), fingerprint)
    legend = class_legend(predictor.task, predictor.settings.model.class_colors)
    if legend is not None:
        write_text(style_path(output), render_qml(legend.names, legend.colors))
    return made
