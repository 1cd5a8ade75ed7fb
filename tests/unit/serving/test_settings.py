"""Settings of a server."""

import pytest
import yaml

from instageo.errors import ConfigError
from instageo.serving.jobs.settings import JobSettings
from instageo.serving.settings import (
    RequestLimits,
    ServerSettings,
    build_serve_config,
    server_settings_from_dict,
)


def test_settings_survive_a_configuration_file():
    jobs = JobSettings("/jobs", days=7, allow_catalog_urls=True)
    settings = ServerSettings({"a": "b"}, max_models=2, limits=RequestLimits(allow_urls=True), jobs=jobs)
    assert server_settings_from_dict(settings.to_dict()) == settings


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: RequestLimits(max_concurrency=0), "--max-concurrency is 0; expected 1 or more"),
        (lambda: ServerSettings({}), "no model is named; expected a checkpoint"),
        (lambda: ServerSettings({"a": "b"}, replicas=0), "--replicas is 0; expected 1 or more"),
        (
            lambda: server_settings_from_dict({"models": {"a": "b"}, "colour": 1}),
            "the server's arguments do not fit: .*colour",
        ),
    ],
)
def test_invalid_settings_are_refused(build, message):
    with pytest.raises(ConfigError, match=message):
        build()


@pytest.mark.parametrize(
    "name",
    ["upload_mb", "megapixels", "decoded_mb", "max_concurrency", "results_mb", "timeout_s", "url_timeout_s"],
)
def test_every_limit_is_at_least_one(name):
    assert getattr(RequestLimits(**{name: 1}), name) == 1
    with pytest.raises(ConfigError, match=f"--{name.replace('_', '-')} is 0; expected 1 or more"):
        RequestLimits(**{name: 0})


@pytest.mark.parametrize("name", ["max_models", "replicas", "batch_tiles"])
def test_every_number_of_the_server_is_at_least_one(name):
    assert getattr(ServerSettings({"a": "b"}, **{name: 1}), name) == 1
    with pytest.raises(ConfigError, match=f"--{name.replace('_', '-')} is 0"):
        ServerSettings({"a": "b"}, **{name: 0})


def test_missing_settings_get_their_defaults():
    assert server_settings_from_dict({"models": {"a": "b"}}) == ServerSettings({"a": "b"})
    limited = server_settings_from_dict({"models": {"a": "b"}, "limits": {"upload_mb": 3}})
    assert limited == ServerSettings({"a": "b"}, limits=RequestLimits(upload_mb=3))


def test_the_proxy_waits_longer_than_the_server():
    settings = ServerSettings({"a": "b"}, limits=RequestLimits(timeout_s=70))
    options = {"host": "0.0.0.0", "port": 80, "request_timeout_s": 100}
    assert settings.http_options("0.0.0.0", 80) == options
    assert yaml.safe_load(build_serve_config(settings, "0.0.0.0", 80)) == {
        "proxy_location": "EveryNode",
        "http_options": options,
        "applications": [
            {
                "name": "instageo",
                "route_prefix": "/",
                "import_path": "instageo.serving.app:application",
                "args": settings.to_dict(),
            }
        ],
    }
