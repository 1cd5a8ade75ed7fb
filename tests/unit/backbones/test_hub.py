"""Published weights come from the local cache or are downloaded and verified; no test uses the network."""

import hashlib
import json
import logging
import urllib.error
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError

from instageo.errors import WeightsError
from instageo.model import build_encoder
from instageo.model.backbones import hub
from instageo.model.backbones.variants import VARIANTS
from instageo.model.backbones.weights import find_weights, load_pretrained

FIGURES = json.loads(Path(__file__).with_name("parity_figures.json").read_text())
LAYOUTS = {case["model_name"]: case["checkpoint"] for case in FIGURES["encoder"]}
TINY = "prithvi_eo_v2_tiny_tl"
PUBLISHED = {
    "prithvi_eo_v1_100": ("Prithvi-EO-1.0-100M", "Prithvi_EO_V1_100M.pt"),
    "prithvi_eo_v2_tiny_tl": ("Prithvi-EO-2.0-tiny-TL", "Prithvi_EO_V2_tiny_TL.pt"),
    "prithvi_eo_v2_100_tl": ("Prithvi-EO-2.0-100M-TL", "Prithvi_EO_V2_100M_TL.pt"),
    "prithvi_eo_v2_300": ("Prithvi-EO-2.0-300M", "Prithvi_EO_V2_300M.pt"),
    "prithvi_eo_v2_300_tl": ("Prithvi-EO-2.0-300M-TL", "Prithvi_EO_V2_300M_TL.pt"),
    "prithvi_eo_v2_600": ("Prithvi-EO-2.0-600M", "Prithvi_EO_V2_600M.pt"),
    "prithvi_eo_v2_600_tl": ("Prithvi-EO-2.0-600M-TL", "Prithvi_EO_V2_600M_TL.pt"),
}


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """An empty Hugging Face cache, with the network off; an attempted connection fails the test."""

    def refuse(*arguments):
        pytest.fail(f"a test used the network: {arguments}")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    return tmp_path / "hub"


def put(cache, model_name, content, revision, *, main=None):
    """Put a file into the cache as the hub's client does: the content in `blobs`, a link to it in `snapshots`."""
    repository, file = PUBLISHED[model_name]
    folder = cache / f"models--ibm-nasa-geospatial--{repository}"
    for name in ("refs", "blobs", f"snapshots/{revision}"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    blob = folder / "blobs" / hashlib.sha256(revision.encode()).hexdigest()
    torch.save(content, blob)
    (folder / "snapshots" / revision / file).symlink_to(blob)
    if main:
        (folder / "refs" / "main").write_text(main)
    return folder / "snapshots" / revision / file


def numbered(shapes):
    """Tensors of these shapes, the n-th of them filled with n; they take no space in a file."""
    return {key: torch.tensor(float(n)).expand(shape) for n, (key, shape) in enumerate(shapes.items(), start=1)}


def without_prefixes(state):
    return {key.removeprefix("encoder.").removeprefix("decoder."): value for key, value in state.items()}


@pytest.mark.parametrize(
    ("model_name", "layout"),
    [
        ("prithvi_eo_v1_100", without_prefixes),
        ("prithvi_eo_v1_100", lambda state: state),
        ("prithvi_eo_v2_tiny_tl", lambda state: state),
        ("prithvi_eo_v2_tiny_tl", lambda state: {"model": state}),
    ],
    ids=["v1-flat", "v1-with-prefixes", "v2", "v2-wrapped"],
)
def test_every_published_layout_loads_from_the_cache(cache, model_name, layout):  # pitfalls 26, 30
    state = numbered(LAYOUTS[model_name])
    put(cache, model_name, layout(state), VARIANTS[model_name].weights.revision)
    net = build_encoder(model_name, temporal_dim=2, img_size=48, depth=2)
    computed = net.pos_embed.clone()
    report = load_pretrained(net, model_name, find_weights(model_name))
    for key, value in net.state_dict().items():
        assert (value == (computed if key == "pos_embed" else state[f"encoder.{key}"])).all(), key
    assert report.new == ()
    assert len(report.loaded) == len(net.state_dict()) - 1
    assert len(report.dropped) == len([key for key in state if key.startswith("decoder.")]) + 1
    assert not [key for key in report.dropped if key in report.loaded]


def test_the_pinned_revision_is_used_even_if_main_is_another(cache, caplog):
    put(cache, TINY, {}, "a" * 40, main="a" * 40)
    pinned = put(cache, TINY, {}, VARIANTS[TINY].weights.revision)
    assert find_weights(TINY) == pinned
    assert caplog.text == ""


def test_another_revision_is_used_with_a_warning_if_main_points_to_it(cache, caplog):
    other = put(cache, TINY, {}, "b" * 40, main="b" * 40)
    with caplog.at_level(logging.WARNING):
        assert find_weights(TINY) == other
    assert f"{other}: the local cache holds another revision than the one tested with" in caplog.text


@pytest.mark.parametrize("main", [None, "d" * 40], ids=["no-main", "main-without-the-file"])
def test_revisions_without_a_reference_are_not_used(cache, main):
    put(cache, TINY, {}, "c" * 40, main=main)
    with pytest.raises(WeightsError, match=r"could not be downloaded \(no network\): Prithvi_EO_V2_tiny_TL\.pt"):
        find_weights(TINY)


@pytest.fixture
def served(monkeypatch, tmp_path):
    """A hub with an empty cache that serves `served.pt` for every download; yields the requests."""
    requests = []

    def hf_hub_download(repository, file, *, revision, local_files_only=False):
        if local_files_only:
            raise LocalEntryNotFoundError("not in the cache")
        requests.append((repository, file, revision))
        return str(tmp_path / "served.pt")

    (tmp_path / "served.pt").write_bytes(b"weights")
    monkeypatch.setattr("huggingface_hub.hf_hub_download", hf_hub_download)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "is_reachable", lambda url: True)
    return requests


def expect(monkeypatch, sha256):
    variant = VARIANTS[TINY]
    monkeypatch.setitem(VARIANTS, TINY, replace(variant, weights=replace(variant.weights, sha256=sha256)))


@pytest.mark.parametrize("sha256", [hashlib.sha256(b"weights").hexdigest(), ""], ids=["right", "unknown"])
def test_the_pinned_revision_is_downloaded_and_its_checksum_verified(served, monkeypatch, tmp_path, sha256):
    expect(monkeypatch, sha256)
    assert find_weights(TINY) == tmp_path / "served.pt"
    weights = VARIANTS[TINY].weights
    assert served == [(weights.repository, weights.file, weights.revision)]


def test_a_download_with_another_checksum_is_refused_and_deleted(served, monkeypatch, tmp_path):
    expect(monkeypatch, "0" * 64)
    with pytest.raises(WeightsError) as refused:
        find_weights(TINY)
    actual = hashlib.sha256(b"weights").hexdigest()
    assert str(refused.value) == (
        f"{tmp_path / 'served.pt'}: the downloaded file has the SHA-256 {actual}, expected {'0' * 64}, and was "
        "deleted; try again, or name a file that you trust with model.weights=…"
    )
    assert not (tmp_path / "served.pt").exists()  # the next run does not find it in the cache


@pytest.mark.parametrize("error", [OSError("disk full"), LocalEntryNotFoundError("gone")])
def test_a_failed_download_says_why_and_what_to_do(served, monkeypatch, error):
    def fail(weights):
        raise error

    monkeypatch.setattr(hub, "_download", fail)
    with pytest.raises(
        WeightsError, match=rf"could not be downloaded \({error}\).*model\.weights=.*load_pretrained_weights="
    ):
        find_weights(TINY)


def test_an_unreachable_hub_gets_no_requests_for_files(served, monkeypatch):
    monkeypatch.setattr(hub, "is_reachable", lambda url: False)
    with pytest.raises(WeightsError, match="no network"):
        find_weights(TINY)
    assert served == []


@pytest.mark.parametrize(
    ("error", "reachable"),
    [
        (urllib.error.HTTPError("https://hub", 404, "not found", None, None), True),
        (urllib.error.URLError("no such host"), False),
        (TimeoutError(), False),
    ],
    ids=["http-404", "no-host", "timeout"],
)
def test_a_server_that_answers_with_an_error_is_reachable(monkeypatch, error, reachable):
    def urlopen(request, timeout):
        assert timeout <= 10
        raise error

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    assert hub.is_reachable("https://hub") is reachable


def test_every_published_file_is_pinned_to_a_revision():
    with_weights = {name: variant.weights for name, variant in VARIANTS.items() if variant.weights}
    files = {name: (weights.repository, weights.file) for name, weights in with_weights.items()}
    assert files == {
        name: (f"ibm-nasa-geospatial/{repository}", file) for name, (repository, file) in PUBLISHED.items()
    }
    for weights in with_weights.values():
        assert len(weights.revision) == 40
        assert len(weights.sha256) in (64, 0)
        assert set(weights.revision + weights.sha256) <= set("0123456789abcdef")
