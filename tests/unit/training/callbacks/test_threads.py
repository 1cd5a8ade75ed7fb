"""The number of CPU threads is the fastest one, measured; the network stays as it is."""

import logging
from types import SimpleNamespace

import pytest
import torch

from instageo.model.inference.tiling import Tiling
from instageo.model.networks.segmenter import build_network
from instageo.model.training.callbacks import threads
from instageo.model.training.callbacks.threads import ThreadTuner, choose_threads, measured_step


@pytest.fixture(autouse=True)
def own_threads(monkeypatch):
    """Restore the number of threads, and take away the variables that fix it."""
    before = torch.get_num_threads()
    for name in threads.THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def machine(monkeypatch):
    """Return a function that makes a step which takes a given time by the number of threads."""
    now = [0.0]
    monkeypatch.setattr(threads, "time", SimpleNamespace(perf_counter=lambda: now[0]))  # others need theirs

    def make(seconds):
        def step():
            now[0] += seconds[torch.get_num_threads()]

        return step

    return make


@pytest.mark.parametrize(
    ("seconds", "chosen"),
    [
        ({1: 0.004, 2: 0.02, 4: 0.03}, 1),  # a busy machine
        ({1: 0.03, 2: 0.01, 4: 0.02}, 2),
        ({1: 0.04, 2: 0.02, 4: 0.01}, 4),
        ({1: 0.0100, 2: 0.0105, 4: 0.0110}, 4),  # no clear difference: the default stays
    ],
)
def test_the_clearly_fastest_number_is_chosen_and_told(seconds, chosen, machine, caplog):
    with caplog.at_level(logging.INFO):
        assert choose_threads(machine(seconds), 4) == chosen
    assert torch.get_num_threads() == chosen
    assert [message.split(" CPU")[0] for message in caplog.messages] == (
        [] if chosen == 4 else [f"training with {chosen} of 4"]
    )


def test_slow_steps_are_measured_once(machine):
    steps = []
    step = machine({1: 1.0, 2: 8.0, 4: 9.0})
    assert choose_threads(lambda: (steps.append(torch.get_num_threads()), step()), 4) == 1
    assert steps == [1, 1, 2, 4]  # the first one allocates memory


def test_one_thread_needs_no_measurement():
    def fails():
        raise AssertionError("measured")

    assert choose_threads(fails, 1) == 1


def module():
    net = build_network("prithvi_eo_tiny", num_classes=2, depth=1, img_size=32, head="unet")
    return SimpleNamespace(net=net.train(), tiling=Tiling(32, 16), mean=torch.zeros(6), device=torch.device("cpu"))


def test_the_measured_step_changes_nothing():
    fitted = module()
    before = {key: value.clone() for key, value in fitted.net.state_dict().items()}
    modes = [part.training for part in fitted.net.modules()]
    measured_step(fitted)()
    assert all(torch.equal(before[key], value) for key, value in fitted.net.state_dict().items())
    assert [part.training for part in fitted.net.modules()] == modes
    assert all(parameter.grad is None for parameter in fitted.net.parameters())


@pytest.fixture
def measured(monkeypatch):
    """Count measurements, which choose 3 threads each."""
    calls = []
    monkeypatch.setattr(threads, "choose_threads", lambda step, default: calls.append(default) or 3)
    return calls


def epoch(tuner, seconds, monkeypatch, world_size=1):
    clock = iter([100.0, 100.0 + seconds])
    monkeypatch.setattr(threads, "time", SimpleNamespace(monotonic=lambda: next(clock)))  # other threads need theirs
    trainer = SimpleNamespace(world_size=world_size)
    tuner.on_train_epoch_start(trainer, module())
    tuner.on_train_epoch_end(trainer, module())


def test_threads_are_measured_at_the_start_and_when_epochs_become_slow(measured, monkeypatch):
    tuner = ThreadTuner()
    counts = []
    for seconds in (10, 12, 8, 14, 10, 10):  # 14 s are more than 1.5 times 8 s
        epoch(tuner, seconds, monkeypatch)
        counts.append(len(measured))
    assert counts == [1, 1, 1, 1, 2, 2]


def test_a_resumed_run_keeps_its_number(measured, monkeypatch):
    torch.set_num_threads(4)
    tuner = ThreadTuner()
    tuner.load_state_dict({"threads": 2})
    epoch(tuner, 1, monkeypatch)
    assert (measured, torch.get_num_threads()) == ([], 2)
    assert tuner.state_dict() == {"threads": 2}


def test_the_users_number_and_several_processes_are_left_alone(measured, monkeypatch):
    epoch(ThreadTuner(), 1, monkeypatch, world_size=2)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    epoch(ThreadTuner(), 1, monkeypatch)
    assert measured == []
