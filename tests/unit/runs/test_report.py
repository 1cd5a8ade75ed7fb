"""A report in all its formats, and its caveats."""

import csv
import json

import pytest

from instageo.model.runs.report import Report, find_caveats, print_report, report_content, write_report
from tests.unit.runs.conftest import ENERGY, SEGMENTATION, make_run


def make_report(rows, notes=()):
    machine = {"cpu": "Fast CPU", "cpu_cores": 2, "threads": 1, "gpu": None, "torch": "2.8"}
    return Report(rows, SEGMENTATION, "on test.csv", machine, 20, 5, 8, ["float32"], notes)


def test_table_csv_json_and_markdown_agree(rows, tmp_path, capsys):
    written = write_report(make_report(rows, ["mind this"]), tmp_path / "out")
    assert [path.name for path in written] == [f"distill_report.{kind}" for kind in ("json", "csv", "md", "png")]
    content = json.loads(written[0].read_text())
    assert list(content) == [
        "format", "rows", "headline", "scores_of", "machine", "rounds", "batches", "batch_size", "weight_types",
        "notes", "main_score", "legend",
    ]  # fmt: skip
    assert content["headline"] == {"names": ["mIoU", "accuracy"], "better": "max"}
    with open(written[1], newline="") as file:
        records = list(csv.DictReader(file))
    markdown = written[2].read_text()
    lines = [line.strip("| ").split(" | ") for line in markdown.splitlines() if line.startswith("|")]
    assert [row["name"] for row in content["rows"]] == [record["name"] for record in records] == ["T", "D|", "A"]
    for row, record in zip(content["rows"], records, strict=True):
        assert float(record["gflops"]) == row["flops"] / 1e9
        assert float(record["mIoU_mean"]) == row["scores"]["mIoU"]["mean"]
        assert float(record["latency_ms_median"]) == 1e3 * row["speed"]["latency"]["median"]
    assert records[1]["accuracy_mean"] == ""
    assert records[1]["mIoU_std"] == str(content["rows"][1]["scores"]["mIoU"]["std"])
    assert lines[0] == [
        "network", "trained", "params (M)", "GFLOPs", "of the teacher", "latency (ms) [10–90 %]", "chips/s",
        "file (MB)", "n", "mIoU", "accuracy", "Δ mIoU", "training (min)", "kWh", "CO2 (kg)",
    ]  # fmt: skip
    assert lines[3] == [
        "D\\|", "distilled", "2.50", "2.00", "1/16", "2.00 [1.00–4.00]", "4 000", "0.0", "2", "0.7000 ± 0.1414", "–",
        "−0.2000", "–", "3.00 ± 1.4", "–",
    ]  # fmt: skip
    assert markdown.endswith("- mind this\n")
    print_report(make_report(rows, ["mind this"]))
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 100
    for text in ("1/16", "0.7000", "± 0.1414", "−0.2000", "2.00 [1.00–4.00]", "1.00", "Fast CPU, 2 cores", "mind this"):
        assert text in shown
    assert report_content(make_report(rows))["main_score"] == "mIoU"


def validated_run(name, fingerprint, status="finished", **more):
    """Return a run that was scored on the validation table with this fingerprint."""
    metadata = {"mode": "train", "status": status, "tables": {"valid_filepath": {"fingerprint": fingerprint}}}
    return make_run(name, metadata=metadata | {"total": ENERGY["total"]}, **more)


SAME = [[validated_run("a", "one")], [validated_run("b", "one")]]
DIFFERENT = [[validated_run("a", "one")], [validated_run("b", "two")]]


@pytest.mark.parametrize(
    ("runs", "note"),
    [
        (DIFFERENT, "the scores were computed on different tables and cannot be compared"),
        ([[make_run("a")], [validated_run("b", "two")]], "it is unknown which table the scores were computed on: a"),
        ([[validated_run("a", "one"), validated_run("b", "one")]], "runs of one row share a seed"),
        ([[validated_run("a", "one", "killed")]], "a: its training did not finish (killed)"),
        ([[validated_run("a", "one", file_bytes=3000)]], "a: the file holds more than weights"),
    ],
)
def test_caveats(rows, runs, note):
    [caveat] = find_caveats(rows[:1], runs, same_table=False)
    assert caveat.startswith(note)


def test_runs_on_one_table_need_no_caveats(rows):
    assert find_caveats(rows[:1], SAME, same_table=False) == []
    assert find_caveats(rows[:1], DIFFERENT, same_table=True) == []


def test_missing_energy_is_explained_once(rows):
    [caveat] = find_caveats(rows, SAME, same_table=False)
    assert "energy=true energy_country=" in caveat
