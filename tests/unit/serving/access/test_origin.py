"""Requests of other sites' pages are told from those of the server's own page and of programs."""

import socket

import pytest

from instageo.serving.access.origin import is_cross_site, is_own_host


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.0.0.1:8000", "localhost:8000", "LOCALHOST", "localhost.", "a.localhost:1", "[::1]:8000",
        "192.168.1.7:80", "10.0.0.1", "maps.example.org", "maps.example.org:443", "a.tiles.example.org",
        socket.gethostname(),
    ],
)  # fmt: skip
def test_own_names(host):
    assert is_own_host(host, ["maps.example.org", "*.tiles.example.org"])


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:8000", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "evillocalhost", "",
        "maps.example.org.evil.example", "tiles.example.org", "xtiles.example.org", "localhost/../x", "user@localhost",
        "localhost:port", "[::1", "a b",
    ],
)  # fmt: skip
def test_other_names(host):
    assert not is_own_host(host, ["maps.example.org", "*.tiles.example.org"])


@pytest.mark.parametrize(
    ("method", "headers", "refused"),
    [
        ("POST", {}, False),  # a program
        ("POST", {"host": "localhost:8000", "origin": "http://localhost:8000"}, False),
        (
            "POST",
            {"host": "maps.example.org", "origin": "https://maps.example.org", "sec-fetch-site": "same-origin"},
            False,
        ),
        ("POST", {"sec-fetch-site": "none"}, False),
        ("GET", {"sec-fetch-site": "cross-site", "origin": "https://evil.example"}, False),  # a link leads here
        ("POST", {"sec-fetch-site": "cross-site"}, True),
        ("POST", {"sec-fetch-site": "same-site"}, True),
        ("POST", {"host": "localhost:8000", "origin": "http://evil.example"}, True),
        ("POST", {"host": "localhost:8000", "origin": "http://localhost:9000"}, True),
        ("DELETE", {"host": "localhost:8000", "origin": "null"}, True),
    ],
)
def test_cross_site_requests(method, headers, refused):
    assert is_cross_site(method, headers) == refused
