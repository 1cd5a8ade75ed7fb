"""The cache folder follows the environment."""

from pathlib import Path

import pytest

from instageo.cache_dir import user_cache


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"INSTAGEO_CACHE": "/b", "XDG_CACHE_HOME": "/c"}, "/b"),
        ({"INSTAGEO_CACHE": "~/b", "HOME": "/home/me"}, "/home/me/b"),
        ({"XDG_CACHE_HOME": "/c"}, "/c/instageo"),
        ({"HOME": "/home/me"}, "/home/me/.cache/instageo"),
    ],
)
def test_the_environment_chooses_the_cache_folder(environment, expected, monkeypatch):
    for name in ("INSTAGEO_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert user_cache() == Path(expected)
