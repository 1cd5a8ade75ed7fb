"""Settings of a server."""

import pytest

from instageo.errors import ConfigError
from instageo.serving.settings import RequestLimits, ServerSettings, server_settings_from_dict


def test_settings_survive_a_configuration_file():
    settings = ServerSettings({"a": "b"}, max_models=2, limits=RequestLimits(allow_urls=True))
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
