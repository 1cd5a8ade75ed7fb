"""`instageo distill-report` on trained runs."""

import csv
import json
import shutil
import subprocess

import pytest
import torch
from typer.testing import CliRunner

from instageo import load_model
from instageo.cli import app
from instageo.errors import InstaGeoError
from instageo.model.networks.cost import count_forward_flops
from instageo.model.run import main
from tests.integration.conftest import QUICK, write_chips

BEST = "instageo_best_checkpoint.ckpt"


def read_json(path):
    return json.loads(path.read_text())


def report(folder, *arguments):
    """Run the command in this process, and return the JSON that it prints."""
    quick = ["--repeats", "2", "--batch-size", "3", "--accelerator", "cpu", "--json", "--output", folder / "report"]
    result = CliRunner().invoke(app, ["distill-report", *map(str, (*arguments, *quick))])
    if isinstance(result.exception, InstaGeoError):
        raise result.exception
    assert result.exit_code == 0, result.exception
    return json.loads(result.stdout)


def test_the_report_of_one_run_has_its_cost_and_its_scores(trained, tmp_path):
    _, run = trained
    content = report(tmp_path, run)
    [row] = content["rows"]
    net = load_model(run, device="cpu").net
    assert row["flops"] == count_forward_flops(net, torch.zeros(1, 6, 1, 32, 32))
    assert row["parameters"] == sum(parameter.numel() for parameter in net.parameters())
    assert row["file_bytes"] == (run / BEST).stat().st_size
    assert row["weight_bytes"] == pytest.approx(4 * row["parameters"], rel=0.01)
    assert row["scores"]["mIoU"]["values"] == [read_json(run / "metrics.json")["mIoU"]]
    assert row["training"]["wall_seconds"]["mean"] == read_json(run / "run.json")["total"]["wall_seconds"]
    latency = row["speed"]["latency"]
    assert 0 < latency["low"] <= latency["median"] <= latency["high"]
    assert row["speed"]["chips_per_second"] > 0
    assert content["machine"]["torch"] == torch.__version__
    assert content["machine"]["threads"] == torch.get_num_threads()
    assert sorted(path.suffix for path in (tmp_path / "report").iterdir()) == [".csv", ".json", ".md", ".png"]
    assert read_json(tmp_path / "report" / "distill_report.json") == content


def test_chips_of_another_size_are_counted_and_another_table_is_scored_as_by_mode_eval(trained, run, tmp_path):
    data, folder = trained
    alone = tmp_path / "alone.ckpt"
    shutil.copy(folder / BEST, alone)
    content = report(tmp_path, alone, "--img-size", 64, "--table", data / "test.csv")
    [row] = content["rows"]
    with torch.device("meta"):
        image = torch.empty(1, 6, 1, 64, 64)
    assert row["chip"] == [6, 1, 64, 64]
    assert row["flops"] == count_forward_flops(load_model(alone, device="cpu").net.to("meta"), image)
    where = [f"root_dir={data}", "test_filepath=test.csv", f"checkpoint_path={folder}", "accelerator=cpu"]
    assert run("mode=eval", *where, folder="eval")[0] == 0
    scores = read_json(tmp_path / "eval" / "metrics.json")
    assert {name: spread["mean"] for name, spread in row["scores"].items()} == {
        name: pytest.approx(scores[name], abs=1e-6) for name in ("mIoU", "accuracy", "f1")
    }


def test_runs_without_scores_and_missing_tables_are_rejected(trained, tmp_path):
    _, run = trained
    alone = tmp_path / "alone.ckpt"
    shutil.copy(run / BEST, alone)
    with pytest.raises(InstaGeoError, match=r"alone\.ckpt: has no metrics\.json of its own; score all runs on one"):
        report(tmp_path, run, alone)
    with pytest.raises(InstaGeoError, match=r"none\.csv"):
        report(tmp_path, run, "--table", tmp_path / "none.csv")
    assert not (tmp_path / "report" / "distill_report.json").exists()


def test_a_teacher_and_two_seeds_of_its_student(warm_command, tmp_path):
    data = write_chips(tmp_path / "data")
    common = [f"root_dir={data}", "train_filepath=train.csv", "valid_filepath=valid.csv", *QUICK, "logger=none"]
    teacher = tmp_path / "teacher"
    assert main([*common, "model.depth=2", f"hydra.run.dir={teacher}"]) == 0
    small = ["model.embed_dim=64", "model.head=light"]
    distilled = [*small, "train.distillation=true", f"train.teacher_ckpt_path={teacher}"]
    for seed in (1, 2):
        assert main([*common, *distilled, f"seed={seed}", f"hydra.run.dir={tmp_path / f'distilled{seed}'}"]) == 0
    assert main([*common, *small, "seed=1", f"hydra.run.dir={tmp_path / 'alone'}"]) == 0
    runs = ["distilled1", "alone", "distilled2", "teacher"]
    result = subprocess.run(
        [*warm_command("instageo.cli"), "distill-report", *runs, "--repeats", "2", "--output", "report"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert max(map(len, result.stdout.splitlines())) <= 100
    content = read_json(tmp_path / "report" / "distill_report.json")
    names = [
        "tiny, depth 2, head upscaling",
        *(f"tiny, depth 1, width 64, head light, {how}" for how in ("distilled", "alone")),
    ]
    assert [row["name"] for row in content["rows"]] == names
    assert [row["role"] for row in content["rows"]] == ["teacher", "distilled", "alone"]
    assert [row["seeds"] for row in content["rows"]] == [[42], [1, 2], [1]]
    scores = [read_json(tmp_path / run / "metrics.json")["mIoU"] for run in ("distilled1", "distilled2")]
    spread = content["rows"][1]["scores"]["mIoU"]
    assert spread["values"] == scores
    assert spread["mean"] == pytest.approx(sum(scores) / 2)
    assert spread["std"] == pytest.approx(abs(scores[0] - scores[1]) / 2**0.5)
    summaries = [read_json(tmp_path / run / "run.json")["network"] for run in ("teacher", "distilled1", "alone")]
    assert [row["flops"] for row in content["rows"]] == [summary["forward_flops"] for summary in summaries]
    with open(tmp_path / "report" / "distill_report.csv", newline="") as file:
        assert [row["name"] for row in csv.DictReader(file)] == names
    assert not [note for note in content["notes"] if "different tables" in note]
