"""The command line of a cross-validation: folders of folds, settings, flags and seeds."""

from pathlib import Path

import pytest

from instageo.errors import ConfigError
from instageo.model.commands.cross_validate import CvRequest, cross_validate, parse_request


def test_folders_settings_and_flags_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "block=10").mkdir()
    arguments = ["folds", "block=10", "--config-name", "sen1floods11", "seed=3", "--debug", "more"]
    request = parse_request(arguments, Path("out"), "", 2)
    assert request.folds == ["folds", "block=10", "more"]
    assert request.settings == ["--config-name", "sen1floods11", "--debug", "seed=3"]
    assert (request.seeds, request.parallel) == ([], 2)
    assert parse_request(["folds"], Path("out"), " 3, 1,", 1).seeds == [3, 1]


@pytest.mark.parametrize("seeds", ["1,a", "-1", "1.5", "1 2"])
def test_seeds_are_whole_numbers(seeds):
    with pytest.raises(ConfigError, match=f"--seeds {seeds} does not work; expected whole numbers such as 1,2,3"):
        parse_request(["folds"], Path("out"), seeds, 1)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (CvRequest([]), "no folds are given; name the folder that instageo split --by kfold or region has written"),
        (CvRequest(["folds"], seeds=[1, 2, 1]), "--seeds 1,2,1 names a seed twice; expected different ones"),
        (
            CvRequest(["folds"], ["train.num_epoch=3"]),
            "unknown setting 'train.num_epoch'; did you mean train.num_epochs",
        ),
        (CvRequest(["none"]), "none: is not a folder"),
    ],
)
def test_mistakes_are_found_before_anything_is_written(request_, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=message):
        cross_validate(request_)
    assert list(tmp_path.iterdir()) == []
