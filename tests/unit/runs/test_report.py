"""Runs side by side: which are one row, what rows are called, mean and spread, and what is said of them."""

import csv
import json
import math
import shutil
from pathlib import Path

import pytest
import torch

from instageo.errors import CheckpointError, ConfigError
from instageo.model.networks.checkpoint import read_checkpoint
from instageo.model.runs.grouping import Spread, given_names, group_by_seed, row_names
from instageo.model.runs.report import Report, caveats, print_report, report_content, write_report
from instageo.model.runs.rows import NetworkMeasurements, PrimaryMetrics, build_rows, find_teacher, score_spreads
from instageo.model.runs.speed import Latency, NetworkSpeed
from instageo.model.runs.tables import digits, score_text, share_text
from instageo.model.runs.trained_run import TrainedRun, check_same_task, read_trained_run, read_trained_runs
from instageo.model.settings.compose import (
    default_config,
    flatten,
    settings_from_config,
    settings_to_dict,
    update_settings,
)
from instageo.model.tasks.factory import task_from_settings

DEFAULTS = flatten(settings_to_dict(settings_from_config(default_config())))
TAUGHT = {"train.distillation": True, "train.teacher_ckpt_path": "big"}
SEGMENTATION = PrimaryMetrics(("mIoU", "accuracy"), "max")
CHIP = (6, 1, 224, 224)


def trained(name, seed=1, *, scores=None, account=None, file_bytes=1000, **settings):
    """A run that nobody trained; `__` in a setting's name is its point."""
    told = {key.replace("__", "."): value for key, value in settings.items()}
    path = Path(name) / "instageo_best_checkpoint.ckpt"
    return TrainedRun(path, DEFAULTS | {"seed": seed} | told, file_bytes, 900, ("float32",), scores, account or {})


def taught(name, seed=1, **more):
    return trained(name, seed, train__distillation=True, train__teacher_ckpt_path="big", **more)


def test_runs_that_differ_in_seed_and_place_alone_are_one_row():
    runs = [
        trained("a", 1),
        trained("b", 1, train__learning_rate=0.1),
        trained("c", 2, dataloader__num_workers=4, root_dir="/elsewhere", energy=True, energy_country="KEN"),
        trained("d", 2, train__num_epochs=99),
        trained("e", 2, train__learning_rate=0.1),
        taught("f", 2),
    ]
    assert [[run.name for run in group] for group in group_by_seed(runs)] == [["a", "c"], ["b", "e"], ["d"], ["f"]]


def test_a_size_and_the_same_sizes_by_hand_are_one_row():
    runs = [trained("a", 1, model__size="student"), trained("b", 2)]
    assert len(group_by_seed(runs)) == 1


def test_mean_and_spread_by_hand():
    spread = Spread.of([1.0, 2.0, 6.0])
    assert (spread.mean, spread.std) == (3.0, pytest.approx(math.sqrt((4 + 1 + 9) / 2)))
    assert Spread.of([4.0]) == Spread(4.0, None, (4.0,))
    assert Spread.of([4.0, None]) is None


@pytest.mark.parametrize(
    ("runs", "names"),
    [
        ([trained("t", model__size="teacher"), taught("s", model__size="tiny")], ["teacher", "tiny"]),
        (
            [trained("t", model__model_name="prithvi_eo_v2_300"), taught("s"), trained("s")],
            ["v2_300", "v2_tiny_tl, distilled", "v2_tiny_tl, alone"],
        ),
        (
            [trained("t", model__depth=-1), taught("s", model__depth=2, model__width=64, model__head="linear")],
            ["v2_tiny_tl, head light", "v2_tiny_tl, depth 2, width 64, head linear"],
        ),
        ([trained("t"), taught("s")], ["v2_tiny_tl", "v2_tiny_tl, distilled"]),
        (
            [trained("t"), taught("a", distill__weight=0.5), taught("b", distill__weight=1.0)],
            ["v2_tiny_tl", "v2_tiny_tl, distilled, weight 0.5", "v2_tiny_tl, distilled, weight 1.0"],
        ),
        (
            [trained("t"), trained("a", model__weights="x/w.pt"), trained("b", model__weights="y/w.pt")],
            ["v2_tiny_tl", "v2_tiny_tl, alone, weights x/w.pt", "v2_tiny_tl, alone, weights y/w.pt"],
        ),
    ],
)
def test_names_are_made_of_what_differs(runs, names):
    assert row_names(runs, teacher=0) == names


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["x"], "--names gives 1 names, but there are 2 rows: big; small"),
        (["x", "x"], "--names gives 'x' to two rows"),
    ],
)
def test_names_that_do_not_fit_are_refused(names, said):
    with pytest.raises(ConfigError, match=said):
        given_names(names, ["big", "small"])


def test_the_teacher_is_who_is_named_or_taught_or_costs_most():
    groups = [[trained("small")], [trained("big")], [taught("student")], [trained("huge")]]
    assert find_teacher(groups, [1, 5, 2, 9], "small") == 0
    assert find_teacher(groups, [1, 5, 2, 9], None) == 1
    assert find_teacher([groups[0], groups[3]], [1, 9], None) == 1
    assert find_teacher([groups[2], groups[0]], [5, 5], None) == 1


def speed(milliseconds):
    return NetworkSpeed(Latency(milliseconds / 1e3, milliseconds / 2e3, milliseconds / 5e2), 8e3 / milliseconds)


def network(flops, parameters=2_500_000, chip=CHIP):
    return NetworkMeasurements(chip, {"forward_flops": flops, "parameters": parameters}, speed(flops / 1e9))


ENERGY = {"mode": "train", "status": "finished", "total": {"energy_kwh": 2.0, "co2_kg": 0.5, "wall_seconds": 60}}


@pytest.fixture
def groups():
    """A student trained alone, one that was taught with two seeds, and the teacher."""
    return [
        [trained("alone", scores={"mIoU": 0.5, "accuracy": 0.8})],
        [
            taught("s1", 1, scores={"mIoU": 0.6, "accuracy": None}, account=ENERGY),
            taught("s2", 2, scores={"mIoU": 0.8, "accuracy": 0.9}, account=ENERGY | {"total": {"energy_kwh": 4.0}}),
        ],
        [trained("big", scores={"mIoU": 0.9, "accuracy": 0.95, "f1": 0.1}, account=ENERGY)],
    ]


@pytest.fixture
def rows(groups):
    networks = [network(2e9), network(2e9), network(32e9, 80_000_000)]
    scores = [score_spreads(group, [run.scores for run in group], SEGMENTATION) for group in groups]
    return build_rows(groups, ["A", "D|", "T"], networks, scores, teacher=2)


def report(rows, notes=()):
    machine = {"cpu": "Fast CPU", "cpu_cores": 2, "threads": 1, "gpu": None, "torch": "2.8"}
    return Report(rows, SEGMENTATION, "test.csv", machine, 20, 5, 8, ["float32"], notes)


def test_rows_by_hand(rows):
    teacher, student, alone = rows
    assert [(row.name, row.role, row.seeds) for row in rows] == [
        ("T", "teacher", (1,)), ("D|", "distilled", (1, 2)), ("A", "alone", (1,)),
    ]  # fmt: skip
    assert (teacher.flops_ratio, student.flops_ratio) == (1, 1 / 16)
    assert student.scores["mIoU"].mean == pytest.approx(0.7)
    assert student.scores["mIoU"].std == pytest.approx(0.2 / math.sqrt(2))
    assert student.differences == {"mIoU": pytest.approx(-0.2), "accuracy": None}  # a seed has no accuracy
    assert student.training["energy_kwh"] == Spread(3.0, pytest.approx(math.sqrt(2)), (2.0, 4.0))
    assert student.training["co2_kg"] is None  # of one run alone
    assert alone.training == {"energy_kwh": None, "co2_kg": None, "wall_seconds": None}


def test_table_csv_json_and_markdown_agree(rows, tmp_path, capsys):
    written = write_report(report(rows, ["mind this"]), tmp_path / "out")
    assert [path.name for path in written] == [f"distill_report.{kind}" for kind in ("json", "csv", "md", "png")]
    told = json.loads(written[0].read_text())
    with open(written[1], newline="") as file:
        records = list(csv.DictReader(file))
    pasted = written[2].read_text()
    lines = [line.strip("| ").split(" | ") for line in pasted.splitlines() if line.startswith("|")]
    assert [row["name"] for row in told["rows"]] == [record["name"] for record in records] == ["T", "D|", "A"]
    for row, record in zip(told["rows"], records, strict=True):
        assert float(record["gflops"]) == row["flops"] / 1e9
        assert float(record["mIoU_mean"]) == row["scores"]["mIoU"]["mean"]
        assert float(record["latency_ms_median"]) == 1e3 * row["speed"]["latency"]["median"]
    assert records[1]["accuracy_mean"] == ""
    assert records[1]["mIoU_std"] == str(told["rows"][1]["scores"]["mIoU"]["std"])
    assert lines[0] == [
        "network", "trained", "params (M)", "GFLOPs", "of the teacher", "latency (ms) [10–90 %]", "chips/s",
        "file (MB)", "n", "mIoU", "accuracy", "Δ mIoU", "training (min)", "kWh", "CO2 (kg)",
    ]  # fmt: skip
    assert lines[3] == [
        "D\\|", "distilled", "2.50", "2.00", "1/16", "2.00 [1.00–4.00]", "4 000", "0.0", "2", "0.7000 ± 0.1414", "–",
        "−0.2000", "–", "3.00 ± 1.4", "–",
    ]  # fmt: skip
    assert pasted.endswith("- mind this\n")
    print_report(report(rows, ["mind this"]))
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 100
    for text in ("1/16", "0.7000", "± 0.1414", "−0.2000", "2.00 [1.00–4.00]", "1.00", "Fast CPU, 2 cores", "mind this"):
        assert text in shown
    assert report_content(report(rows))["main_score"] == "mIoU"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (share_text(1.0), "1"),
        (share_text(1 / 16), "1/16"),
        (share_text(1 / 3.94), "1/3.9"),
        (share_text(2.5), "2.50 x"),
        (digits(123.9), "124"),
        (digits(35.94), "35.9"),
        (digits(99.96), "100"),
        (digits(0.044), "0.0440"),
        (digits(12345), "12 345"),
        (digits(0.0), "0"),
        (score_text(Spread(0.80264, None, ()), "mIoU"), "0.8026"),
        (score_text(Spread(-0.1, 0.02, ()), "r2"), "−0.1000 ± 0.0200"),
        (score_text(Spread(12.345, 0.678, ()), "rmse"), "12.35 ± 0.68"),
        (score_text(Spread(0.012345, 0.000678, ()), "rmse"), "0.01235 ± 0.00068"),
        (score_text(Spread(45678.9, 12.3, ()), "rmse"), "45679 ± 12"),
        (score_text(None, "rmse"), "–"),
    ],
)
def test_numbers_as_text(text, expected):
    assert text == expected


def scored(name, fingerprint, status="finished", **more):
    account = {"mode": "train", "status": status, "tables": {"valid_filepath": {"fingerprint": fingerprint}}}
    return trained(name, account=account | {"total": ENERGY["total"]}, **more)


def test_what_a_reader_must_know(rows):
    measured = [rows[0]]
    same = [[scored("a", "one")], [scored("b", "one")]]
    assert caveats(measured, same, scored_anew=False) == []
    [note] = caveats(measured, [[scored("a", "one")], [scored("b", "two")]], scored_anew=False)
    assert note.startswith("the scores are of different tables")
    assert caveats(measured, [[scored("a", "one")], [scored("b", "two")]], scored_anew=True) == []
    [note] = caveats(measured, [[trained("a")], [scored("b", "two")]], scored_anew=False)
    assert note == "nothing tells which table the scores are of: a"
    [note] = caveats(measured, [[scored("a", "one"), scored("b", "one")]], scored_anew=False)
    assert note.startswith("runs of one row share a seed")
    [note] = caveats(measured, [[scored("a", "one", "killed")]], scored_anew=False)
    assert note == "a: its training did not finish (killed)"
    [note] = caveats(measured, [[scored("a", "one", file_bytes=3000)]], scored_anew=False)
    assert note.startswith("a: the file holds more than weights")
    notes = caveats(rows, same, scored_anew=False)
    assert [note for note in notes if "energy=true energy_country=" in note] == notes
    assert len(notes) == 1


def test_scores_of_a_table_scored_later_are_told_from_those_of_the_validation():
    tables = {"valid_filepath": {"fingerprint": "v"}, "test_filepath": {"fingerprint": "t"}}
    assert trained("a", account={"mode": "train", "tables": tables}).scored_table == "v"
    later = trained("a", account={"mode": "eval", "tables": tables, "total": {"wall_seconds": 3}})
    assert later.scored_table == "t"
    assert later.training == {}  # it is the scoring that took 3 seconds


def test_runs_of_different_tasks_are_refused():
    with pytest.raises(ConfigError, match=r"b has model\.num_classes=3, a model\.num_classes=2; a report compares"):
        check_same_task(trained("a"), trained("b", model__num_classes=3))
    names = {"model__class_names": ["land", "water"]}
    check_same_task(trained("a"), trained("b", **names))  # one alone has names
    with pytest.raises(ConfigError, match=r"class_names"):
        check_same_task(trained("a", model__class_names=["x", "y"]), trained("b", **names))


def test_scores_that_lack_one_are_refused():
    with pytest.raises(ConfigError, match="a: its scores have no mIoU; score it anew with --table"):
        score_spreads([trained("a")], [{"rmse": 1.0}], SEGMENTATION)


@pytest.mark.parametrize(
    ("changes", "headline"),
    [
        ({}, ("mIoU", "accuracy", "f1")),
        ({"dataloader.label_kind": "chip"}, ("f1", "accuracy")),
        ({"dataloader.label_kind": "chip_multi"}, ("mAP", "f1")),
        ({"is_reg_task": True, "model.num_classes": 1}, ("rmse", "r2", "pearson")),
    ],
)
def test_every_task_is_compared_by_its_own_scores_and_first_by_what_chooses_its_best_epoch(changes, headline):
    labels = {"dataloader.label_mean": 0.0, "dataloader.label_std": 1.0}
    task = task_from_settings(update_settings(settings_from_config(default_config()), changes | labels))
    assert task.headline == headline
    assert task.monitor.name == f"val_{headline[0]}"


@pytest.fixture
def folder(tmp_path):
    """A run's folder whose network is one number."""
    run = {"seed": 7, "train.distillation": True, "train.learning_rate": 0.5}
    section = {"settings": {"model.model_name": "prithvi_eo_tiny"}, "run": run, "metrics": {}}
    path = tmp_path / "run" / "instageo_best_checkpoint.ckpt"
    path.parent.mkdir()
    torch.save({"state_dict": {"net.weight": torch.zeros(3)}, "instageo": section}, path)
    (path.parent / "metrics.json").write_text('{"mIoU": 0.5, "f1": null, "per_class": {"a": {}}}')
    (path.parent / "run.json").write_text(json.dumps({"format": 1} | ENERGY))
    return path.parent


def test_a_run_is_read_from_its_folder(folder):
    run = read_trained_run(folder)
    assert (run.name, run.seed, run.distilled, run.weight_bytes, run.weight_types) == (
        str(folder), 7, True, 12, ("float32",),
    )  # fmt: skip
    assert run.file_bytes == (folder / "instageo_best_checkpoint.ckpt").stat().st_size
    assert run.scores == {"mIoU": 0.5, "f1": None}
    assert (run.settings["train.learning_rate"], run.settings["model.model_name"]) == (0.5, "prithvi_eo_tiny")
    assert run.training["energy_kwh"] == 2.0
    shutil.copy(run.path, folder / "copy.ckpt")
    assert read_trained_run(folder / "copy.ckpt").scores is None  # metrics.json is not of it


def test_settings_of_a_checkpoint_that_does_not_know_its_run_lie_beside_it(tmp_path):
    path = tmp_path / "instageo_best_checkpoint.ckpt"
    torch.save({"state_dict": {"net.weight": torch.zeros(3)}}, path)
    (tmp_path / ".hydra").mkdir()
    text = "train: {learning_rate: 0.25}\ncheckpoint_path: 'None'\nunheard_of: 1\n"
    (tmp_path / ".hydra" / "config.yaml").write_text(text)
    assert read_checkpoint(path).run == {"train.learning_rate": 0.25, "checkpoint_path": None}
    assert read_trained_run(path).seed is None


def test_bad_runs_are_refused_in_a_sentence(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    for source, said in {"none": "does not exist", "empty": "holds no instageo_best_checkpoint.ckpt"}.items():
        with pytest.raises(CheckpointError, match=f"{source}: {said}; expected the folder of a training run"):
            read_trained_runs([tmp_path / source])
    with pytest.raises(ConfigError, match="is named twice"):
        read_trained_runs([folder, folder / "instageo_best_checkpoint.ckpt"])
    (folder / "metrics.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"metrics\.json: is no JSON"):
        read_trained_runs([folder])


def test_a_teacher_counts_once(folder):
    assert len(read_trained_runs([folder], folder)) == 1
    shutil.copytree(folder, folder.parent / "other")
    assert [Path(run.name).name for run in read_trained_runs([folder], folder.parent / "other")] == ["other", "run"]
