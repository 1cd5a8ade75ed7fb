"""Stores emulated on loopback, and files in them."""

import hashlib
import os
from dataclasses import dataclass
from types import SimpleNamespace
from uuid import uuid4

import numpy as np
import pytest

from instageo.stores import download
from instageo.stores.download import DownloadRequest
from instageo.stores.open import open_store
from tests import http_server, object_stores

KINDS = ("folder", "web", "google", "amazon")


DATA = np.random.default_rng(0).bytes(1_000_003)


SHA = hashlib.sha256(DATA).hexdigest()


@dataclass
class StoreUnderTest:
    """A store to test: its URL, the failures to produce, and a function that writes a file without this package.

    Amazon's and Google's emulators are written to by this package all the same.
    """

    kind: str
    url: str
    faults: object_stores.Faults
    put: object

    def open(self):
        return open_store(self.url)


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    root = tmp_path_factory.mktemp("web")
    with (
        http_server.running(root) as port,
        object_stores.google() as google,
        object_stores.amazon() as amazon,
        object_stores.proxied(f"http://127.0.0.1:{port}") as web,
        object_stores.proxied(google, is_google=True) as gs,
        object_stores.proxied(amazon) as s3,
    ):
        yield SimpleNamespace(root=root, web=web, google=gs, amazon=s3)


@pytest.fixture(params=KINDS)
def target(request, servers, tmp_path, monkeypatch):
    return open_emulated(request.param, servers, tmp_path, monkeypatch)


def open_emulated(kind, servers, tmp_path, monkeypatch):
    """Return an empty store of a kind, with the environment that it needs."""
    open_store.cache_clear()
    for name in [name for name in os.environ if name.startswith(("AWS_", "GOOGLE_", "GS_", "STORAGE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(download, "RANGE_SIZE", 1 << 16)
    folder = uuid4().hex
    if kind == "folder":
        return StoreUnderTest(kind, str(tmp_path / folder), object_stores.Faults(), writer(tmp_path / folder))
    url, faults = getattr(servers, kind)
    faults.clear()
    if kind == "web":
        return StoreUnderTest(kind, f"{url}/{folder}", faults, writer(servers.root / folder))
    variables = {
        "google": {"STORAGE_EMULATOR_HOST": url},
        "amazon": {"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "hush"},
    }
    for name, value in variables[kind].items():
        monkeypatch.setenv(name, value)
    root = f"{'gs' if kind == 'google' else 's3'}://{object_stores.BUCKET}/{folder}"
    return StoreUnderTest(kind, root, faults, lambda name, data: open_store(root).create(name, data))


def writer(root):
    def write(name, data):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)

    return write


def put_and_request(target, tmp_path, name="a b/net.ckpt", data=DATA, **changes):
    """Put a file into a store, and return a request to download it."""
    target.put(name, data)
    target.faults.requests.clear()
    expected = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()} | changes
    return DownloadRequest(f"{target.url}/{name}", tmp_path / "to" / "net.ckpt", **expected)


def files_in(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".lock"))
