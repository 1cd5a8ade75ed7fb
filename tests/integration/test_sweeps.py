"""Many runs with one command, and the learning-rate range test."""

import csv
import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from matplotlib.image import imread

from instageo.model.run import main
from tests.integration.conftest import QUICK

TABLES = ["train_filepath=train.csv", "valid_filepath=valid.csv"]
DOCS = Path(__file__).parents[2] / "docs" / "training.md"


@pytest.fixture
def sweep(data, tmp_path, capfd):
    """Run a sweep; return exit status, stderr and its folder."""

    def call(*arguments):
        status = main(["-m", f"root_dir={data}", *TABLES, *QUICK, f"hydra.sweep.dir={tmp_path / 'sweep'}", *arguments])
        return status, capfd.readouterr().err, tmp_path / "sweep"

    return call


def best(folder):
    with open(folder / "history.csv", encoding="utf-8") as file:
        return max(float(row["val_mIoU"]) for row in csv.DictReader(file))


def test_a_job_of_a_sweep_equals_a_single_run(sweep, run, data, tmp_path):
    status, err, folder = sweep("train.learning_rate=1e-3,1e-5", "train.num_epochs=2")
    assert status == 0, err
    for job, rate in enumerate(("1e-3", "1e-5")):
        alone = run(
            f"root_dir={data}", *TABLES, *QUICK, "train.num_epochs=2", f"train.learning_rate={rate}", folder=rate
        )
        assert alone[0] == 0
        assert (folder / str(job) / "metrics.json").read_text() == (tmp_path / rate / "metrics.json").read_text()


def test_a_single_run_composes_its_configuration_once(run, data, monkeypatch):
    composed = []
    load = ConfigLoaderImpl.load_configuration
    monkeypatch.setattr(
        ConfigLoaderImpl, "load_configuration", lambda self, **how: composed.append(how) or load(self, **how)
    )
    assert run("mode=check", f"root_dir={data}", "train_filepath=train.csv")[0] == 0
    assert len(composed) == 1


@pytest.mark.parametrize("override", ["hydra.mode=MULTIRUN", "hydra={mode: MULTIRUN}"])
def test_the_mode_of_hydra_makes_a_sweep_without_a_flag(data, tmp_path, override):
    arguments = ["mode=check", f"root_dir={data}", "train_filepath=train.csv", override]
    assert main([*arguments, f"hydra.sweep.dir={tmp_path / 'sweep'}"]) == 0
    assert (tmp_path / "sweep" / "0" / "run.json").is_file()


def test_a_failed_job_is_named_and_the_others_run(sweep):
    status, err, folder = sweep("train.learning_rate=-1,1e-3,-2")
    assert status == 1
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    assert errors == [
        f"error: job {job} (train.learning_rate={rate}): train.learning_rate={rate}.0 does not work; "
        "expected a number above 0"
        for job, rate in ((0, -1), (2, -2))
    ]
    assert (folder / "1" / "metrics.json").is_file()


def test_a_run_folder_is_an_error_in_a_sweep(sweep):
    status, err, _ = sweep("train.learning_rate=1e-3,1e-4", "hydra.run.dir=here")
    assert status == 1
    assert "hydra.run.dir has no effect on a sweep (-m); name its folder with hydra.sweep.dir=…" in err


def test_an_interval_with_the_basic_sweeper_is_one_sentence(sweep):
    status, err, _ = sweep("train.learning_rate=interval(1e-5,1e-3)")
    assert status == 1
    assert err.splitlines()[-1] == "error: BasicSweeper does not support sweep type : INTERVAL_SWEEP"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            "train.ema_decay=interval(0.9,0.5)",
            "'train.ema_decay=interval(0.9,0.5)' is not a valid range; expected the lower end first",
        ),
        (
            "train.learning_rate=tag(log, interval(0, 1e-2))",
            "lower end first, above 0 for a range of ratios",
        ),
        ("hydra.sweeper.max_batch_size=many", "hydra.sweeper.max_batch_size: Value 'many' of type 'str' could not be"),
    ],
)
def test_invalid_ranges_are_one_sentence(sweep, setting, message):
    status, err, folder = sweep(setting)
    assert status == 1
    assert [line for line in err.splitlines() if line.startswith("error: ")] == err.splitlines()
    assert message in err
    assert not folder.exists()


def test_a_sweeper_that_is_not_installed_is_an_error(sweep):
    status, err, _ = sweep("hydra/sweeper=ax")
    assert status == 1
    assert err.splitlines()[-1].startswith("error: hydra/sweeper/ax does not exist; the one for Optuna needs the extra")


def documented():
    """Return the command of the docs, as words, without line ends."""
    text = DOCS.read_text(encoding="utf-8")
    command = next(block for block in re.findall(r"```bash\n(.*?)```", text, re.DOTALL) if "sweeper=optuna" in block)
    words = re.findall(r"""(?:[^\s'\\]|'[^']*')+""", command)
    return [word.strip("'").replace("'", "") for word in words]


def test_the_command_of_the_docs_finds_its_best_run(data, warm_command, tmp_path):
    *start, module = documented()[:3]
    assert start == ["python", "-m"]
    replaced = {"root_dir": data, "train_filepath": "train.csv", "valid_filepath": "valid.csv"}
    replaced |= {"hydra.sweeper.n_trials": 3, "hydra.sweep.dir": tmp_path / "sweep"}
    command = [
        f"{key}={replaced[key]}" if (key := word.partition("=")[0]) in replaced else word for word in documented()[3:]
    ]
    more = ["hydra.sweeper.sampler.seed=5", "train.num_epochs=4"]  # rates of 5e-5, 6e-3, 2e-3
    done = subprocess.run(
        [*warm_command(module), *command, *[word for word in QUICK if "learning_rate" not in word], *more],
        capture_output=True, text=True, check=False, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(Path.cwd())},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    results = yaml.safe_load((tmp_path / "sweep" / "optimization_results.yaml").read_text())
    scores = [best(tmp_path / "sweep" / str(job)) for job in range(3)]
    assert len(set(scores)) > 1
    assert results["best_value"] == pytest.approx(max(scores), abs=1e-6)
    number = scores.index(max(scores))
    told = next(line for line in done.stderr.splitlines() if "best of 3 jobs" in line)
    assert f"best of 3 jobs: job {number} (" in told
    assert told.endswith(f"val_mIoU {max(scores):.4f}, in {tmp_path / 'sweep' / str(number)}")
    rate = results["best_params"]["train.learning_rate"]
    config = yaml.safe_load((tmp_path / "sweep" / str(scores.index(max(scores))) / ".hydra/config.yaml").read_text())
    assert float(config["train"]["learning_rate"]) == pytest.approx(rate)


def test_a_sweep_for_the_worst_run_is_an_error(data, warm_command, tmp_path):
    command = [*warm_command("instageo.model.run"), "-m", "hydra/sweeper=optuna", f"root_dir={data}", *TABLES, *QUICK]
    done = subprocess.run(
        [*command, "train.batch_size=choice(1,2)", f"hydra.sweep.dir={tmp_path / 'sweep'}"],
        capture_output=True, text=True, check=False, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(Path.cwd())},
    )  # fmt: skip
    assert done.returncode == 1
    assert "a run returns its best val_mIoU, and higher is better: add hydra.sweeper.direction=maximize" in done.stderr
    assert not list((tmp_path / "sweep").glob("*/history.csv"))


def test_the_range_test_prints_a_learning_rate_and_writes_no_weights(data, run, tmp_path):
    command = ["mode=lr_find", f"root_dir={data}", *TABLES, *QUICK, "train.lr_find.steps=21", "train.lr_find.max=0.1"]
    command += ["dataloader.mean=auto"]
    status, out, err = run(*command)
    assert status == 0, err
    suggested = json.loads(out.splitlines()[-1])
    folder = tmp_path / "run"
    assert sorted(path.name for path in folder.iterdir()) == [
        ".hydra", "lr_find.csv", "lr_find.png", "run.json", "run.log",
    ]  # fmt: skip
    with open(folder / "lr_find.csv", encoding="utf-8") as file:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    assert rows[0]["learning_rate"] == pytest.approx(1e-7)
    assert rows[1]["learning_rate"] / rows[0]["learning_rate"] == pytest.approx(10**0.3)
    assert min(abs(row["learning_rate"] / suggested["learning_rate"] - 1) for row in rows) < 0.005
    assert 1e-5 < suggested["learning_rate"] < 0.1
    assert imread(folder / "lr_find.png")[..., :3].std() > 0.05
    assert run(*command, folder="again")[1] == out
