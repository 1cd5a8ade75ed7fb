"""The examples in the docstrings of the public API run, and every public name has one."""

import doctest
import inspect

import pytest
import torch

import instageo
import instageo.model
from tests.integration.conftest import write_chips

PUBLIC = [
    (module, name) for module in (instageo, instageo.model) for name in module.__all__ if not name.startswith("__")
]
"""Modules and the names that they publish."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the files that examples name: tables, a chip and a model."""
    path = write_chips(tmp_path_factory.mktemp("examples"))
    (path / "valid.csv").rename(path / "val.csv")
    (path / "chips" / "chip_5.tif").rename(path / "chip.tif")
    torch.manual_seed(0)
    net = instageo.build_network("prithvi_eo_tiny", num_classes=2, depth=1, img_size=32)
    data = instageo.ChipDataset(path / "train.csv", statistics="auto")
    saved = instageo.save_model(net, path / "saved", data=data, metrics={"val_mIoU": 0.5})
    saved.rename(path / "model.ckpt")
    return path


@pytest.mark.filterwarnings("ignore::UserWarning:pytorch_lightning")
@pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning")  # Lightning with this PyTorch
@pytest.mark.parametrize(("module", "name"), PUBLIC, ids=[f"{module.__name__}.{name}" for module, name in PUBLIC])
def test_public_names_have_an_example_that_runs(folder, monkeypatch, capsys, module, name):
    monkeypatch.chdir(folder)
    published = getattr(module, name)
    assert inspect.getdoc(published).count(">>> "), f"{name} has no example"
    tests = doctest.DocTestFinder(exclude_empty=True).find(published, name, globs={})
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for test in tests:
        runner.run(test, clear_globs=False)
    assert runner.summarize(verbose=False).failed == 0, capsys.readouterr().out


def test_public_names_are_listed():
    for module in (instageo, instageo.model):
        assert set(module.__all__) <= set(dir(module))
        with pytest.raises(AttributeError, match="no attribute 'nothing'"):
            module.nothing  # noqa: B018
