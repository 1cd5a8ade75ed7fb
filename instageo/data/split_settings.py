"""Settings of the command that splits tables; `command_line` makes command-line flags of the fields."""

import math
from dataclasses import dataclass

from instageo.arguments import expect
from instageo.data.command_line.option import check_choices, option
from instageo.errors import ConfigError

FOLDED = ("kfold", "region")
"""Strategies that write a folder for each fold."""

OVER = ("random", "stratified", "blocks", "clusters", "distance", "group", "time")
"""Strategies that divide a table by shares."""

BY = (*OVER, "lists", *FOLDED)


@dataclass(frozen=True)
class SplitSettings:
    """How to split a table, or which tables of a split to verify.

    Attributes are described by their `help`.
    """

    tables: tuple[str, ...] = option(
        (), "Table of chips; with --verify, the tables of a split, or its folder.", metavar="TABLE…", is_argument=True
    )
    by: str | None = option(None, "How to split.", choices=BY)
    output: str = option("", "Output folder; by default the folder of the table.", metavar="DIR")
    shares: tuple[float, ...] = option(
        (70.0, 15.0, 15.0), "Shares of train, val and test, or of train and val; 0 leaves a part out."
    )
    buffer_km: float = option(0.0, "Least distance between chips of two parts; nearer chips are dropped.")
    block_km: float | None = option(
        None, "blocks: side of a block; by default 50, larger with a buffer, smaller where chips lie close together."
    )
    clusters: int = option(20, "clusters: number of clusters.")
    column: tuple[str, ...] = option((), "Columns of groups, regions, strata or, for lists, parts.", metavar="NAME")
    regions: str | None = option(None, "region: polygons (GeoJSON, GeoPackage, shapefile).", metavar="FILE")
    until: tuple[str, ...] = option((), "time: last day of train and, if there is a test part, of val.", metavar="DATE")
    gap_days: int = option(0, "time: least number of days between two parts.")
    folds: int = option(5, "kfold: number of folds.")
    over: str = option("random", "kfold, region: how folds, or train and val, are formed.", choices=OVER)
    lists: str | None = option(None, "lists: folder of published lists, such as train.txt and val.txt.", metavar="DIR")
    balance: str = option(
        "auto", "Class balance: from columns of the table, from label files as well, or none.",
        choices=("auto", "read", "none"),
    )  # fmt: skip
    stable: bool = option(False, "Let rows that are added later move none of the others; shares are less exact.")
    seed: int = option(0, "Seed; the same seed gives the same files.")
    chip_km: float | None = option(
        None, "Side of a chip. Places are then those of the columns lat and lon, and no chip is opened; 0 for points."
    )
    root_dir: str | None = option(
        None, "Folder that paths in the table are relative to; by default the table's folder.", metavar="DIR"
    )
    figure: bool = option(True, "Draw split.png.")
    overwrite: bool = option(False, "Replace tables of the output folder that another program wrote.")
    verify: bool = option(False, "Verify the tables of a split instead; exit status 1 if a guarantee does not hold.")

    def __post_init__(self) -> None:
        check_choices(self)
        if not self.verify:
            self._check_split()
        for name in ("buffer_km", "gap_days"):
            expect(_is_length(getattr(self, name)), name, getattr(self, name), "0 or more")
        if self.chip_km is not None:
            expect(_is_length(self.chip_km), "chip_km", self.chip_km, "0 or more")
        if self.block_km is not None:
            expect(_is_length(self.block_km) and self.block_km > 0, "block_km", self.block_km, "more than 0")
        expect(self.clusters >= 2, "clusters", self.clusters, "2 or more")
        expect(2 <= self.folds <= 1000, "folds", self.folds, "2 to 1000")
        shares = self.shares
        ok = len(shares) in (2, 3) and all(map(_is_length, shares)) and sum(share > 0 for share in shares) >= 2
        expect(ok, "shares", ",".join(f"{share:g}" for share in shares), "two or three numbers, such as 70,15,15")

    def _check_split(self) -> None:
        if self.by is None:
            raise ConfigError(f"by is not set; choose one of {', '.join(BY)}, such as --by blocks")
        expect(len(self.tables) == 1, "tables", ", ".join(self.tables), "one table, or --verify with those of a split")
        if self.by == "distance" or (self.by in FOLDED and self.over == "distance"):
            expect(self.buffer_km > 0, "buffer_km", self.buffer_km, "the distance that parts are to have, such as 10")

    @property
    def named_shares(self) -> dict[str, float]:
        """Fractions of the parts, whose sum is 1; parts without a share are left out."""
        total = sum(self.shares)
        return {
            name: share / total for name, share in zip(("train", "val", "test"), self.shares, strict=False) if share
        }


def _is_length(number: float) -> bool:
    return math.isfinite(number) and number >= 0
