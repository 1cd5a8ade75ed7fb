"""Credentials of object stores, from the environment."""

import os
from pathlib import Path

import pytest

from instageo.stores import credentials
from instageo.stores.credentials import client_settings


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith(("AWS_", "AZURE_", "GOOGLE_", "GS_", "STORAGE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    for machine in ("_on_google_cloud", "_on_aws"):
        monkeypatch.setattr(credentials, machine, lambda: False)


def settings(url):
    found = client_settings(url, {"timeout": 1})
    return found.pop("client_options"), found


@pytest.mark.parametrize("scheme", ["gs", "s3"])
def test_without_credentials_access_is_anonymous(scheme):
    assert settings(f"{scheme}://bucket/a") == ({"timeout": 1, "allow_http": False}, {"skip_signature": True})


@pytest.mark.parametrize(
    ("scheme", "variables", "expected"),
    [
        ("gs", {"GOOGLE_APPLICATION_CREDENTIALS": "/key.json"}, {}),
        ("gs", {"GOOGLE_APPLICATION_CREDENTIALS": "/key.json", "GS_NO_SIGN_REQUEST": "yes"}, {"skip_signature": True}),
        ("s3", {"AWS_ACCESS_KEY_ID": "me", "AWS_DEFAULT_REGION": "eu-north-1"}, {"region": "eu-north-1"}),
        ("s3", {"AWS_ACCESS_KEY_ID": "me", "AWS_NO_SIGN_REQUEST": "1"}, {"skip_signature": True}),
        ("s3", {"AWS_WEB_IDENTITY_TOKEN_FILE": "/token"}, {}),
        ("az", {}, {}),
        ("az", {"AZURE_NO_SIGN_REQUEST": "true"}, {"skip_signature": True}),
    ],
)
def test_variables_set_the_credentials(monkeypatch, scheme, variables, expected):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert settings(f"{scheme}://bucket/a")[1] == expected


def test_the_file_of_gcloud_is_used():
    file = Path.home() / credentials.ADC_FILE
    file.parent.mkdir(parents=True)
    file.write_text("{}")
    assert settings("gs://bucket")[1] == {}


def test_only_addresses_with_http_are_unencrypted(monkeypatch):
    assert settings("https://host/a")[0]["allow_http"] is False
    assert settings("http://host/a")[0]["allow_http"] is True
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9000")
    assert settings("s3://bucket/a")[0]["allow_http"] is True
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "127.0.0.1:9001")
    assert settings("gs://bucket/a")[0]["allow_http"] is True
