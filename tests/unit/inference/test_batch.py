"""Prediction of many chips: reading ahead, the journal of finished chips, and how workers share a cluster."""

import sys
import threading
from dataclasses import replace
from datetime import date
from functools import cache

import pytest

from instageo.errors import ConfigError, MissingExtraError
from instageo.model.commands.chip_inference import _predict
from instageo.model.context import Run
from instageo.model.inference.batch import PredictionItem, PredictionOutcome, remove_partial_files
from instageo.model.inference.journal import JOURNAL, Journal
from instageo.model.settings import Engine, EngineSettings, Settings
from instageo.runtime.parallel import prefetch
from instageo.stores.download import sha256_file
from instageo.table import Row


@pytest.mark.parametrize("ahead", [0, 1, 3])
def test_prefetch_yields_in_order_and_starts_no_more_than_ahead(ahead):
    begun, taken = [], []

    def items():
        for number in range(10):
            taken.append((number, threading.current_thread()))
            yield number

    results = prefetch(lambda number: begun.append(number) or number**2, items(), ahead)
    assert begun == []
    assert next(results) == 0
    assert len(taken) == ahead + 1
    assert {thread for _, thread in taken} == {threading.current_thread()}
    assert list(results) == [number**2 for number in range(1, 10)]


def test_prefetch_stops_when_it_is_closed():
    begun = []
    results = prefetch(begun.append, range(1000), 2)
    next(results)
    results.close()
    assert len(begun) <= 3


def test_prefetch_raises_an_error_in_place_of_its_result():
    results = prefetch(lambda number: 1 / (3 - number), range(10), 2)
    assert [next(results) for _ in range(3)] == [1 / 3, 1 / 2, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


@pytest.fixture
def finished(tmp_path):
    """Two finished chips: their items and outcomes."""
    items, outcomes = [], []
    for name in ("a", "b"):
        chip, output = tmp_path / f"{name}.tif", tmp_path / "out" / f"{name}.tif"
        output.parent.mkdir(exist_ok=True)
        chip.write_bytes(b"pixels"), output.write_bytes(name.encode() * 5)
        items.append(PredictionItem(Row(chip.name, str(chip), None), output))
        outcomes.append(PredictionOutcome(str(chip), size=5, sha256=sha256_file(output)))
    journal = Journal(tmp_path / "out", "model")
    assert journal.finished(items) == {}
    for outcome in outcomes:
        journal.append(outcome)
    return items, {outcome.input: outcome for outcome in outcomes}


def test_recorded_chips_are_finished(finished, tmp_path):
    items, outcomes = finished
    assert Journal(tmp_path / "out", "model").finished(items) == outcomes


def change_output(items):
    items[0].output.write_bytes(b"bbbbb")


def delete_output(items):
    items[0].output.unlink()


def change_chip(items):
    with open(items[0].row.input, "ab") as file:
        file.write(b"!")


@pytest.mark.parametrize("change", [change_output, delete_output, change_chip])
def test_changed_chips_or_outputs_are_not_finished(finished, tmp_path, change):
    items, outcomes = finished
    change(items)
    unchanged = {items[1].row.input: outcomes[items[1].row.input]}
    assert Journal(tmp_path / "out", "model").finished(items) == unchanged


def test_another_model_date_location_or_output_is_not_finished(finished, tmp_path):
    items, outcomes = finished
    assert Journal(tmp_path / "out", "other").finished(items) == {}
    first, second = items
    for other in (
        PredictionItem(replace(first.row, dates=(date(2020, 5, 1),)), first.output),
        PredictionItem(replace(first.row, lat_lon=(1.0, 2.0)), first.output),
        PredictionItem(first.row, second.output),
    ):
        assert Journal(tmp_path / "out", "model").finished([other]) == {}
    assert Journal(tmp_path / "out", "model").finished(items) == outcomes


def test_a_moved_folder_keeps_its_finished_chips(finished, tmp_path):
    items, outcomes = finished
    (tmp_path / "out").rename(tmp_path / "moved")
    moved = [PredictionItem(item.row, tmp_path / "moved" / item.output.name) for item in items]
    assert Journal(tmp_path / "moved", "model").finished(moved) == outcomes


@pytest.mark.parametrize("garbage", ['{"chip": "cut o', "[]\n", '{"fingerprint": 1}\n', "\xff\n", "null\n"])
def test_incomplete_and_foreign_lines_are_skipped(finished, tmp_path, garbage):
    items, outcomes = finished
    path = tmp_path / "out" / JOURNAL
    path.write_bytes(path.read_bytes() + garbage.encode("latin-1"))
    items[0].output.write_bytes(b"again")
    journal, again = Journal(tmp_path / "out", "model"), replace(outcomes[items[0].row.input], sha256="x")
    assert len(journal.finished(items)) == 1
    journal.append(replace(again, sha256=sha256_file(items[0].output)))
    assert len(Journal(tmp_path / "out", "model").finished(items)) == 2


def test_damaged_lines_are_skipped(finished, tmp_path):  # pitfall 84
    items, outcomes = finished
    path = tmp_path / "out" / JOURNAL
    path.write_text(path.read_text().replace('"any_valid": true', '"any_valid": false', 1))
    unchanged = {items[1].row.input: outcomes[items[1].row.input]}
    assert Journal(tmp_path / "out", "model").finished(items) == unchanged


def test_failed_chips_are_not_finished(finished, tmp_path):
    items, _ = finished
    journal = Journal(tmp_path / "out", "another model")
    journal.finished(items)
    journal.append(PredictionOutcome(items[0].row.input, error="broken"))
    assert Journal(tmp_path / "out", "another model").finished(items) == {}


def test_a_chip_without_a_file_stamp_is_predicted_again(tmp_path):
    item = PredictionItem(Row("gone.tif", str(tmp_path / "gone.tif"), None), tmp_path / "out" / "gone.tif")
    journal = Journal(tmp_path / "out", "model")
    assert journal.finished([item]) == {}
    journal.append(PredictionOutcome(item.row.input, size=1, sha256="x"))
    assert journal.finished([item]) == {}
    assert not (tmp_path / "out" / JOURNAL).exists()


def test_only_partial_files_of_these_items_are_removed(tmp_path):
    outputs = [tmp_path / "a" / "x.jp2.tif", tmp_path / "b" / "y.2020.tif"]
    names = ["a/.x.jp2.tif.17.part", "b/.y.2020.tif.18.part", "a/.z.tif.17.part", "a/x.jp2.tif"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    remove_partial_files([PredictionItem(Row("x", "x", None), output) for output in outputs])
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")) == sorted(names[2:])


def plan(accelerator, workers, *nodes):
    from instageo.model.inference.ray_cluster import plan_workers

    return plan_workers(accelerator, workers, nodes)


CPU, BIG, GPUS = {"CPU": 4.0}, {"CPU": 16.0}, {"CPU": 16.0, "GPU": 2.0}


@pytest.mark.parametrize(
    ("accelerator", "workers", "nodes", "expected"),
    [
        ("auto", None, [CPU], (1, 4, 0)),
        ("auto", 2, [CPU], (2, 2, 0)),
        ("auto", 3, [CPU], (3, 1, 0)),
        ("auto", None, [CPU, CPU], (2, 4, 0)),
        ("auto", None, [CPU, BIG], (2, 8, 0)),  # both on the larger one
        ("auto", 5, [CPU, BIG], (5, 4, 0)),
        ("auto", None, [CPU, {"memory": 5.0}], (1, 4, 0)),
        ("auto", None, [CPU, GPUS], (2, 4, 1)),  # a GPU each where there are any
        ("gpu", 1, [GPUS], (1, 4, 1)),
        ("auto", None, [{"CPU": 3.0, "GPU": 2.0}], (2, 1, 1)),
        ("cpu", None, [GPUS], (1, 16, 0)),
    ],
)
def test_workers_and_their_resources(accelerator, workers, nodes, expected):  # pitfall 34
    pytest.importorskip("ray", reason="the extra `serve` is not installed")
    workers = plan(accelerator, workers, *nodes)
    assert (workers.size, workers.cpus, workers.gpus) == expected


@pytest.mark.parametrize(
    ("accelerator", "workers", "nodes", "words"),
    [
        ("gpu", None, [CPU], "accelerator=gpu: the cluster has no GPU"),
        ("auto", 3, [GPUS], "ray.num_workers=3: the cluster has 2 GPUs; use at most 2"),
        ("auto", 5, [CPU], "ray.num_workers=5: the cluster has 4 cores"),
        ("auto", None, [], "ray.num_workers=None: the cluster has 0 cores"),
    ],
)
def test_a_cluster_with_too_few_resources_is_refused(accelerator, workers, nodes, words):
    pytest.importorskip("ray", reason="the extra `serve` is not installed")
    with pytest.raises(ConfigError, match=words):
        plan(accelerator, workers, *nodes)


@pytest.mark.parametrize("address", ["auto", "127.0.0.1:1", "nonsense"])
def test_clusters_that_cannot_be_reached(address, tmp_path, monkeypatch):
    services = pytest.importorskip("ray._private.services", reason="the extra `serve` is not installed")
    # other tests may run clusters, which `auto` would find
    monkeypatch.setattr(services, "find_gcs_addresses", cache(lambda: set()))
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    module = pytest.importorskip("instageo.model.inference.ray_cluster", reason="the extra `serve` is not installed")
    with pytest.raises(ConfigError, match=f"ray.address={address}: cannot connect to a Ray cluster there"):  # noqa: SIM117
        with module.ray_cluster(address):
            pass


def test_the_missing_extra_of_ray_is_named(monkeypatch, tmp_path):  # pitfall 37
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "instageo.model.inference.ray_engine", raising=False)
    run = Run(Settings(engine=EngineSettings(Engine.ray)), tmp_path)
    with pytest.raises(MissingExtraError, match=r"engine=ray needs the package ray; install the extra: pip install"):
        _predict(run, None, "fingerprint", [], 0)
