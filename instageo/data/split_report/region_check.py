"""Check that a region that was left out is that of the test part, by the polygons of the regions."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from instageo.data.split_report.facts import Division
from instageo.data.split_report.guarantees import Guarantee
from instageo.data.split_settings import SplitSettings
from instageo.data.splitting.regions import find_regions
from instageo.locations import hide_secrets, is_remote, join_location
from instageo.wording import counted


def check_regions(
    division: Division, folder: Path, settings: SplitSettings, record: Mapping[str, Any]
) -> Guarantee | None:
    """Return whether the regions of the test part are in no other part; None if no polygons were used or are given.

    Args:
        division: The parts.
        folder: Folder of the tables, from which `split.json` names the polygons.
        settings: `regions` and `column` take precedence over those of `split.json`.
        record: Content of `split.json`; empty without it.

    Raises:
        TableError: The polygons cannot be read.
    """
    options, region = record.get("options") or {}, (record.get("promised") or {}).get("region")
    columns = settings.column if settings.regions else options.get("column") or ()
    recorded = options.get("regions")
    path = settings.regions or (join_location(folder, recorded) if recorded else None)
    if path is None or "test" not in division.parts:
        return None
    name = f"regions of test ({Path(hide_secrets(path)).name})"
    expected = f"all of test in {region}, no other chip there" if region else "no region in two parts"
    if settings.regions is None and not is_remote(path) and not Path(path).is_file():
        return Guarantee(name, f"{os.path.normpath(path)} does not exist; pass the polygons by --regions", expected)
    found = find_regions(path, division.footprints.circles.lonlat, columns[0] if columns else None)
    regions = [text if known else "" for text, known in zip(found, division.footprints.located, strict=True)]
    is_test = (division.part == division.parts.index("test")).tolist()
    wanted = {region} if region else {text for text, test in zip(regions, is_test, strict=True) if test} - {""}
    outside = sum(test and text not in wanted for text, test in zip(regions, is_test, strict=True)) if region else 0
    inside = sum(not test and text in wanted for text, test in zip(regions, is_test, strict=True))
    problems = [f"{counted(outside, 'test chip', 'are')} elsewhere"] if outside else []
    problems += [f"{counted(inside, 'chip', 'are')} in a region of test, but in another part"] if inside else []
    return Guarantee(name, "; ".join(problems) or "none in two parts", expected, not problems)
