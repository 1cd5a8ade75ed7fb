"""Areas of zones as CSV."""

import csv
import io

from instageo.raster.area_products.zone_files import format_csv


def test_no_text_is_a_formula():
    rows = [("=cmd|' /C calc'!A0", 1, -2.5), ("+1", 2, None), ("@SUM(A1)", 3, 0.0), ("a=b", 4, 1.0)]
    lines = list(csv.reader(io.StringIO(format_csv(("zone", "class", "hectares"), rows))))
    assert lines[1:] == [
        ["'=cmd|' /C calc'!A0", "1", "-2.5"],
        ["'+1", "2", ""],
        ["'@SUM(A1)", "3", "0.0"],
        ["a=b", "4", "1.0"],
    ]
