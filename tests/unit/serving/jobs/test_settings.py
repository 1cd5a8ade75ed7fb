"""Settings of jobs."""

from pathlib import Path

import pytest

from instageo.errors import ConfigError
from instageo.serving.jobs.settings import LIMITS, JobSettings, job_settings_from_options
from instageo.serving.settings import ServerSettings, server_settings_from_dict


def test_options_become_settings_that_survive_a_configuration_file():
    jobs = job_settings_from_options(
        Path("/srv/jobs"), ["area_km2=10", "disk_gb=7"], allow_urls=True, allow_private=True
    )
    assert jobs == JobSettings(
        "/srv/jobs", area_km2=10, disk_gb=7, allow_catalog_urls=True, allow_private_catalogs=True
    )
    settings = ServerSettings({"a": "b"}, jobs=jobs)
    assert server_settings_from_dict(settings.to_dict()) == settings
    assert job_settings_from_options(None, []) is None
    assert job_settings_from_options(Path("jobs"), []).folder == str(Path.cwd() / "jobs")


@pytest.mark.parametrize("name", LIMITS)
def test_every_limit_is_at_least_one(name):
    assert getattr(job_settings_from_options(Path("x"), [f"{name}=1"]), name) == 1
    with pytest.raises(ConfigError, match=f"--jobs-limit {name}=0 does not work; expected 1 or more"):
        job_settings_from_options(Path("x"), [f"{name}=0"])


@pytest.mark.parametrize(
    ("folder", "limits", "sentence"),
    [
        (Path("x"), ["day=3"], "--jobs-limit day=3: unknown; expected NAME=NUMBER with one of .*; did you mean days?"),
        (Path("x"), ["days"], "--jobs-limit days does not work; expected a whole number, such as days=10"),
        (Path("x"), ["days=-1"], "--jobs-limit days=-1 does not work; expected a whole number"),
        (Path("x"), ["days=1.5"], "--jobs-limit days=1.5 does not work"),
        (None, ["days=1"], "need --jobs-dir FOLDER"),
    ],
)
def test_wrong_options_are_one_sentence(folder, limits, sentence):
    with pytest.raises(ConfigError, match=sentence):
        job_settings_from_options(folder, limits)


def test_a_second_server_on_the_same_folder_does_not_start(tmp_path):
    from instageo.model.commands.serve import require_free_folder
    from instageo.stores.lock import hold_folder

    require_free_folder(str(tmp_path / "jobs"))
    sentence = r"--jobs-dir .*: another server keeps its maps there \(process \d+ on"
    with hold_folder(tmp_path / "jobs"), pytest.raises(ConfigError, match=sentence):
        require_free_folder(str(tmp_path / "jobs"))


def test_jobs_get_the_environment_of_before_ray_and_no_token(monkeypatch):
    from instageo.serving.jobs.environment import job_environment, remember_environment

    monkeypatch.setenv("INSTAGEO_JOB_ENVIRONMENT", "")  # so that it is restored
    monkeypatch.setenv("INSTAGEO_SERVE_TOKEN", "hush")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    for name in ("OMP_NUM_THREADS", "MALLOC_ARENA_MAX"):
        monkeypatch.delenv(name, raising=False)
    remember_environment()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    for name in ("OMP_NUM_THREADS", "MALLOC_ARENA_MAX"):
        monkeypatch.setenv(name, "1")
    environment = job_environment()
    assert environment["CUDA_VISIBLE_DEVICES"] == "1"
    absent = {"OMP_NUM_THREADS", "MALLOC_ARENA_MAX", "INSTAGEO_SERVE_TOKEN", "INSTAGEO_JOB_ENVIRONMENT"}
    assert not absent & set(environment)
    monkeypatch.delenv("INSTAGEO_JOB_ENVIRONMENT")
    assert job_environment()["OMP_NUM_THREADS"] == "1"
