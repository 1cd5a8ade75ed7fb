"""The registry's URL and the folder of local models."""

from pathlib import Path

import pytest

from instageo.errors import RegistryError
from instageo.model.registry.paths import is_offline, models_folder, registry_url


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch):
    for name in ("MODELS_REGISTRY_PATH", "MODELS_PATH", "INSTAGEO_OFFLINE"):
        monkeypatch.delenv(name, raising=False)


def test_without_variables_models_are_cached_and_a_registry_must_be_given(monkeypatch, tmp_path):
    monkeypatch.setenv("INSTAGEO_CACHE", str(tmp_path))
    assert models_folder() == tmp_path / "models"
    assert is_offline() is False
    with pytest.raises(RegistryError, match="set MODELS_REGISTRY_PATH"):
        registry_url()


def test_the_cache_follows_the_desktops_standard(monkeypatch):
    monkeypatch.delenv("INSTAGEO_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/c")
    assert models_folder() == Path("/c/instageo/models")


def test_arguments_take_precedence_over_variables(monkeypatch):
    monkeypatch.setenv("MODELS_PATH", "/m")
    monkeypatch.setenv("MODELS_REGISTRY_PATH", "gs://b/r.yaml")
    monkeypatch.setenv("INSTAGEO_OFFLINE", "1")
    assert (registry_url(), str(models_folder()), is_offline()) == ("gs://b/r.yaml", "/m", True)
    assert (registry_url("x"), str(models_folder("y"))) == ("x", "y")
