"""What an area's maps say, in a sentence: hectares of the classes, and how much was observed."""

from instageo.area_maps.area_table import AreaTable, ClassHectares
from instageo.area_maps.pictures.number_text import hectares_text, percent_text

MOST_CLASSES = 4
"""Classes in the sentence, those of the largest areas."""


def answer_of(table: AreaTable) -> str:
    """Return the result in a sentence.

    Of two classes the second one is what a model looks for; of more, those of the largest areas are named.
    """
    area = table.area
    if area.observed_hectares <= 0:
        return f"Nothing of the area, {hectares_text(area.hectares)}, was observed in these days."
    observed = f"{hectares_text(area.observed_hectares)} observed"
    if area.unobserved_hectares <= 0:
        rest = "the whole area was observed"
    else:
        rest = f"{percent_text(area.unobserved_share)} of the area was not observed"
    if not area.classes:
        mean = "no mean" if area.mean is None else f"mean {area.mean:.4g}"
        return f"{mean[0].upper()}{mean[1:]} over {observed}; {rest}."
    named = ", ".join(f"{row.name}: {hectares_text(row.hectares)}" for row in main_classes(table))
    return f"{named} of {observed}; {rest}."


def main_classes(table: AreaTable) -> list[ClassHectares]:
    """Return the classes of the sentence."""
    classes = list(table.area.classes)
    if len(classes) == 2:
        return classes[1:]
    present = [row for row in classes if row.pixels or row.hectares]
    return sorted(present, key=lambda row: -row.hectares)[:MOST_CLASSES]
