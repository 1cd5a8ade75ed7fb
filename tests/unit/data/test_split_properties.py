"""What holds for splits of any table."""

from itertools import combinations
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from instageo.data import SplitSettings, split_table, verify_split
from instageo.errors import DataError
from tests.split_tables import chip_rows, clustered, least_gap_km, read_rows, write_rows

OPTIONS = {
    "random": {},
    "stratified": {},
    "blocks": {},
    "clusters": {"clusters": 6},
    "distance": {},
    "group": {"column": ("event",)},
    "time": {"gap_days": 20},
}


def split(folder, name, rows, **options):
    """Return the parts and the dropped rows, each as a set of chips, and the report; None if it is refused."""
    table = write_rows(f"{folder}/{name}.csv", rows)
    try:
        [report] = split_table(SplitSettings((str(table),), output=f"{folder}/{name}", figure=False, **options))
    except DataError:
        return None
    files = {part: read_rows(f"{folder}/{name}/{part}.csv") for part in (*report.parts, "dropped")}
    return {part: [row["Input"] for row in found] for part, found in files.items()}, files, report


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(sorted(OPTIONS)), st.integers(0, 10**6), st.integers(60, 200),
    st.sampled_from([(70.0, 15.0, 15.0), (60.0, 40.0), (50.0, 0.0, 50.0)]), st.sampled_from([0.0, 3.0, 25.0]),
)  # fmt: skip
def test_splits_of_any_table(by, seed, count, shares, buffer_km):
    rows = chip_rows(clustered(count, seed=seed, per_cluster=6))
    options = {"by": by, "seed": seed, "shares": shares, "buffer_km": buffer_km, "chip_km": 2.0, **OPTIONS[by]}
    if by == "distance":
        options["buffer_km"] = max(buffer_km, 1.0)
    with TemporaryDirectory() as folder:
        result = split(folder, "a", rows, **options)
        turned = [rows[k] for k in np.random.default_rng(seed).permutation(len(rows))]
        again = split(folder, "b", turned, **options)
        if result is None or again is None:
            assert result is again  # refused in both orders
            return
        chips, files, report = result
        everywhere = [chip for part in chips.values() for chip in part]
        assert sorted(everywhere) == [row["Input"].replace("chips/", "../chips/") for row in rows]  # each exactly once
        assert {part: sorted(found) for part, found in again[0].items()} == {
            part: sorted(found) for part, found in chips.items()
        }
        assert report.holds
        for first, second in combinations(report.parts, 2):
            if options["buffer_km"]:
                assert least_gap_km(files[first], files[second], 2.0) >= options["buffer_km"] - 1e-6
        guarantees = verify_split(SplitSettings((f"{folder}/a",), verify=True))
        assert all(item.holds is not False for item in guarantees)


@settings(max_examples=10, deadline=None)
@given(st.sampled_from(sorted(set(OPTIONS) - {"time"})), st.integers(0, 10**6), st.integers(2, 5))
def test_every_row_is_tested_once_in_folds(by, seed, folds):
    rows = chip_rows(clustered(150, seed=seed, per_cluster=5))
    options = {"by": "kfold", "over": by, "folds": folds, "seed": seed, "chip_km": 1.0, **OPTIONS[by]}
    with TemporaryDirectory() as folder:
        table = write_rows(f"{folder}/t.csv", rows)
        given_settings = SplitSettings(
            (str(table),), output=folder, figure=False, buffer_km=1.0 * (by == "distance"), **options
        )
        try:
            reports = split_table(given_settings)
        except DataError:
            return
        tested = [row["Input"] for report in reports for row in read_rows(report.folder / "test.csv")]
        assert sorted(tested) == [f"../{row['Input']}" for row in rows]
        assert all(item.holds is not False for item in verify_split(SplitSettings((folder,), verify=True)))
