"""A registry in a folder, and what is pushed to it."""

from pathlib import Path

import pytest
import yaml

from instageo.model.publishing.publish import PushRequest
from tests.integration.stores.conftest import servers, target  # noqa: F401

REQUEST = PushRequest("floods/tiny", classes=("Dry", "Water"), licence="Apache-2.0", new=True)


@pytest.fixture
def local_url(tmp_path):
    return f"{tmp_path / 'registry'}/registry.yaml"


@pytest.fixture
def environment(local_url, tmp_path, monkeypatch):
    monkeypatch.setenv("MODELS_REGISTRY_PATH", local_url)
    monkeypatch.setenv("MODELS_PATH", str(tmp_path / "models"))
    monkeypatch.delenv("INSTAGEO_OFFLINE", raising=False)


def read_values(url):
    return yaml.safe_load(Path(url).read_text())
