"""Locations of files: local paths, URLs of stores, GDAL's virtual paths."""

import os
from pathlib import Path

import pytest

from instageo.locations import file_stamp, gdal_path, hide_secrets, is_remote, join_location, user_cache


@pytest.mark.parametrize(
    ("location", "remote"),
    [
        ("s3://bucket/a.tif", True),
        ("HTTPS://host/a.tif", True),
        ("ftp://host/a.tif", True),
        ("/vsizip/data/a.zip/a.tif", True),
        ("/data/s3/a.tif", False),
        ("a:b.tif", False),
        ("", False),
        (Path("/vsi.tif"), False),
    ],
)
def test_urls_and_virtual_paths_are_remote(location, remote):
    assert is_remote(location) is remote


@pytest.mark.parametrize(
    ("root", "name", "expected"),
    [
        ("/data", "a/chip.tif", "/data/a/chip.tif"),
        (Path("data"), "./a//chip.tif", "data/a/chip.tif"),
        ("/data", "/other/chip.tif", "/other/chip.tif"),
        ("/data", "s3://bucket/a//chip.tif", "s3://bucket/a//chip.tif"),
        ("/data", "/vsizip//data/a.zip/chip.tif", "/vsizip//data/a.zip/chip.tif"),
        ("s3://bucket", "a/chip.tif", "s3://bucket/a/chip.tif"),
        ("gs://bucket/folder/", "./a/chip.tif", "gs://bucket/folder/a/chip.tif"),
        ("az://container/folder", "../other/chip.tif", "az://container/other/chip.tif"),
        ("https://host/folder?sig=k/y", "chip.tif", "https://host/folder/chip.tif?sig=k/y"),
        ("s3://bucket/what?", "chip.tif", "s3://bucket/what?/chip.tif"),  # a key may hold any letter
        ("s3://bucket", "https://host/chip.tif", "https://host/chip.tif"),
        ("s3://bucket", "/data/chip.tif", "/data/chip.tif"),
        ("/vsizip//data/a.zip", "chip.tif", "/vsizip//data/a.zip/chip.tif"),
    ],
)
def test_names_are_joined_to_a_root(root, name, expected):
    assert join_location(root, name) == expected


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/data/chip.tif", "/data/chip.tif"),
        ("s3://bucket/a/chip.tif", "/vsis3/bucket/a/chip.tif"),
        ("GS://bucket/a/chip.tif", "/vsigs/bucket/a/chip.tif"),
        ("az://container/chip.tif", "/vsiaz/container/chip.tif"),
        ("http://host:8080/chip.tif", "/vsicurl/http://host:8080/chip.tif"),
        ("https://host/chip.tif?sig=a", "/vsicurl/https://host/chip.tif?sig=a"),
        ("/vsis3/bucket/chip.tif", "/vsis3/bucket/chip.tif"),
    ],
)
def test_the_path_that_gdal_opens(location, expected):
    assert gdal_path(location) == expected


def test_an_unknown_scheme_lists_the_supported_ones():
    with pytest.raises(
        ValueError, match="unknown scheme 'ftp'; expected a local path or one of s3, gs, az, http, https"
    ):
        gdal_path("ftp://host/chip.tif")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://host/a.tif?X-Sig=key&b=1: no such file", "https://host/a.tif: no such file"),
        ("'https://host/a.tif?sig=key' is missing", "'https://host/a.tif' is missing"),
        ("https://user:pass@host/a.tif", "https://host/a.tif"),
        ("read https://host/a.tif?k=1, https://host/b.tif?k=2.", "read https://host/a.tif, https://host/b.tif."),
        ("s3://bucket/what?/a.tif", "s3://bucket/what?/a.tif"),
        ("is this /data/a@b.tif? yes", "is this /data/a@b.tif? yes"),
    ],
)
def test_secrets_are_removed_from_urls(text, expected):
    assert hide_secrets(text) == expected


def test_the_stamp_of_a_local_file_is_its_size_and_time(tmp_path):
    file = tmp_path / "chip.tif"
    assert file_stamp(file) is None
    file.write_bytes(b"12345")
    os.utime(file, ns=(0, 1_700_000_000_000_000_007))
    assert file_stamp(str(file)) == file_stamp(file) == "5:1700000000000000007"


@pytest.mark.parametrize("location", ["nothing://host/a", "/vsizip/a.zip/a.tif", "http://127.0.0.1:9/a.tif"])
def test_a_file_that_cannot_be_reached_has_no_stamp(location):
    assert file_stamp(location) is None


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
