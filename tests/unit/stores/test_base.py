"""URLs of files in stores."""

import pytest

from instageo.stores.base import StoreError, child_url, split_url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("gs://bucket/a/registry.yaml", ("gs://bucket/a", "registry.yaml")),
        ("https://host/registry.yaml", ("https://host", "registry.yaml")),
        ("S3://bucket/registry.yaml", ("S3://bucket", "registry.yaml")),
        ("/registry.yaml", ("/", "registry.yaml")),
        ("registry.yaml", (".", "registry.yaml")),
    ],
)
def test_split_url_returns_folder_and_name(url, expected):
    assert split_url(url) == expected


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("gs://bucket", "has no file name; expected a location such as gs://bucket/registry.yaml"),
        ("gs://bucket/a/", "has no file name; expected a location such as gs://bucket/registry.yaml"),
        ("/folder/", "has no file name; expected a location such as folder/registry.yaml"),
        ("ftp://host/a.yaml", "unknown scheme 'ftp'; expected a local path or one of gs, s3, az, http, https"),
    ],
)
def test_split_url_reports_missing_names_and_unknown_schemes(url, message):
    with pytest.raises(StoreError, match=message):
        split_url(url)


@pytest.mark.parametrize(
    ("root", "name", "expected"),
    [
        ("gs://b/r", "tiny/1.0.0", "gs://b/r/tiny/1.0.0"),
        ("gs://b/r", "s3://c/d/", "s3://c/d"),
        ("/r", "/elsewhere/x", "/elsewhere/x"),
        ("/r", ".", "/r"),
    ],
)
def test_child_url_is_relative_to_the_manifest(root, name, expected):
    assert child_url(root, name) == expected


@pytest.mark.parametrize(
    ("root", "name"), [("gs://b/r", "/etc"), ("gs://b/r", "../x"), ("/r", "a/../../x"), ("/r", "..\\x")]
)
def test_child_url_does_not_leave_the_manifests_folder(root, name):
    with pytest.raises(StoreError, match="is outside; expected a URL or a path below the manifest"):
        child_url(root, name)
