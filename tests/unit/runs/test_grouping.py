"""Which runs are one row, and what rows are called."""

import pytest

from instageo.errors import ConfigError
from instageo.model.runs.grouping import check_row_names, describe_differences, group_by_seed, row_names
from tests.unit.runs.conftest import make_distilled, make_run


def test_runs_that_differ_only_in_seed_and_place_are_one_row():
    runs = [
        make_run("a", 1),
        make_run("b", 1, train__learning_rate=0.1),
        make_run("c", 2, dataloader__num_workers=4, root_dir="/elsewhere", energy=True, energy_country="KEN"),
        make_run("d", 2, train__num_epochs=99),
        make_run("e", 2, train__learning_rate=0.1),
        make_distilled("f", 2),
    ]
    assert [[run.name for run in group] for group in group_by_seed(runs)] == [["a", "c"], ["b", "e"], ["d"], ["f"]]


def test_a_size_and_the_same_sizes_by_hand_are_one_row():
    runs = [make_run("a", 1, model__size="student"), make_run("b", 2)]
    assert len(group_by_seed(runs)) == 1


@pytest.mark.parametrize(
    ("runs", "names"),
    [
        ([make_run("t", model__size="teacher"), make_distilled("s", model__size="tiny")], ["teacher", "tiny"]),
        (
            [make_run("t", model__model_name="prithvi_eo_v2_300"), make_distilled("s"), make_run("s")],
            ["v2_300", "v2_tiny_tl, distilled", "v2_tiny_tl, alone"],
        ),
        (
            [
                make_run("t", model__depth=-1),
                make_distilled("s", model__depth=2, model__embed_dim=64, model__head="linear"),
            ],
            ["v2_tiny_tl, head light", "v2_tiny_tl, depth 2, width 64, head linear"],
        ),
        ([make_run("t"), make_distilled("s")], ["v2_tiny_tl", "v2_tiny_tl, distilled"]),
        (
            [make_run("t"), make_distilled("a", distill__alpha=0.5), make_distilled("b", distill__alpha=1.0)],
            ["v2_tiny_tl", "v2_tiny_tl, distilled, alpha 0.5", "v2_tiny_tl, distilled, alpha 1.0"],
        ),
        (
            [make_run("t"), make_run("a", model__weights="x/w.pt"), make_run("b", model__weights="y/w.pt")],
            ["v2_tiny_tl, weights null", "v2_tiny_tl, weights x/w.pt", "v2_tiny_tl, weights y/w.pt"],
        ),
        (
            [make_run("a", train__learning_rate=1e-3), make_run("b", train__learning_rate=1e-4)],
            ["v2_tiny_tl, learning_rate 0.001", "v2_tiny_tl, learning_rate 0.0001"],
        ),
    ],
)
def test_names_consist_of_what_differs(runs, names):
    assert row_names(runs, teacher=0) == names


def test_all_settings_that_differ_are_told_with_the_value_of_each_row():
    runs = [
        make_run("a", train__learning_rate=1e-3, train__batch_size=4),
        make_run("b", train__learning_rate=1e-4, train__batch_size=8),
        make_run("c", train__learning_rate=1e-3, train__batch_size=8),
    ]
    assert describe_differences(["A", "B", "C"], runs) == [
        "train.batch_size: 4 (A); 8 (B | C)",
        "train.learning_rate: 0.001 (A | C); 0.0001 (B)",
    ]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["x"], "--names gives 1 name, but the report has 2 rows: big; small"),
        (["x", "x"], "--names gives 'x' to two rows"),
    ],
)
def test_names_that_do_not_fit_are_rejected(names, message):
    with pytest.raises(ConfigError, match=message):
        check_row_names(names, ["big", "small"])
    check_row_names(["x", "y"], ["big", "small"])
