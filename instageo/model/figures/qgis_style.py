"""Styles for QGIS, which loads a file MAP.qml with MAP.tif: the names and colours of classes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

from instageo.model.figures.colors import Color


def style_path(map_path: Path) -> Path:
    """Return where QGIS looks for the style of a map."""
    return map_path.with_suffix(".qml")


def render_qml(names: Sequence[str], colors: Mapping[int, Color]) -> str:
    """Return the style of a map of classes as XML.

    Args:
        names: Names of the classes 0, 1, …
        colors: Red, green and blue of each class.
    """
    root = ElementTree.Element("qgis", version="3.22", styleCategories="Symbology")
    pipe = ElementTree.SubElement(root, "pipe")
    renderer = ElementTree.SubElement(
        pipe, "rasterrenderer", type="paletted", band="1", opacity="1", alphaBand="-1", nodataColor=""
    )
    palette = ElementTree.SubElement(renderer, "colorPalette")
    for value, name in enumerate(names):
        entry = {"value": str(value), "color": "#{:02x}{:02x}{:02x}".format(*colors[value]), "alpha": "255"}
        ElementTree.SubElement(palette, "paletteEntry", entry | {"label": name})
    ElementTree.indent(root)
    doctype = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>"
    return f"{doctype}\n{ElementTree.tostring(root, encoding='unicode')}\n"
