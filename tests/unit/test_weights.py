"""Published files load whatever wraps them, with an account of every key; others are refused."""

import logging

import pytest
import torch
from safetensors.torch import save_file

from instageo.errors import WeightsError
from instageo.model import build_encoder
from instageo.model.backbones.weights import find_weights, load_pretrained


def encoder():
    return build_encoder("prithvi_eo_tiny", temporal_dim=1, img_size=32, depth=1)


def published(prefix=""):
    """The state of an encoder filled with ones, in a published layout with a decoder."""
    state = {prefix + key: torch.ones_like(value) for key, value in encoder().state_dict().items()}
    state[f"{prefix}pos_embed"] = torch.zeros(1, 589, 256)  # another number of dates than here
    return state | {"mask_token": torch.ones(1, 1, 8), "decoder_embed.weight": torch.ones(8, 256)}


@pytest.mark.parametrize("prefix", ["", "encoder.", "_timm_module.", "net.prithvi_100M_backbone."])
@pytest.mark.parametrize("wrapper", [None, "model", "state_dict", "model_state"])
def test_every_published_wrapping_loads(tmp_path, prefix, wrapper):
    state = published(prefix)
    torch.save({wrapper: state} if wrapper else state, tmp_path / "weights.pt")
    net = encoder()
    report = load_pretrained(net, "prithvi_eo_tiny", tmp_path / "weights.pt")
    assert all((parameter == 1).all() for parameter in net.parameters())
    assert net.pos_embed[0, 1:].any()  # computed, not taken from the file; pitfall 30
    assert len(report.loaded) == len(net.state_dict()) - 1
    assert report.new == ()
    assert report.dropped == ("pos_embed", "mask_token", "decoder_embed.weight")


def test_safetensors_and_what_is_new(tmp_path, caplog):
    state = published()
    del state["norm.weight"]
    save_file(state, tmp_path / "weights.safetensors")
    with caplog.at_level(logging.INFO):
        report = load_pretrained(encoder(), "prithvi_eo_tiny", tmp_path / "weights.safetensors")
    assert report.new == ("norm.weight",)
    assert "newly initialised: norm (1 tensors)" in caplog.text


def test_a_file_that_would_run_code_is_refused_and_runs_none(tmp_path):  # pitfall 36
    class Harm:
        def __reduce__(self):
            return open, (str(tmp_path / "harm"), "w")

    torch.save({"model": Harm()}, tmp_path / "weights.pt")
    with pytest.raises(WeightsError, match="holds objects that could run code; it was not loaded"):
        load_pretrained(encoder(), "prithvi_eo_tiny", tmp_path / "weights.pt")
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"conv1.weight": torch.ones(3)}, "none of its 1 tensors"),
        ({"cls_token": torch.ones(1, 1, 768)}, r"cls_token has shape \[1, 1, 768\].* \[1, 1, 256\]"),
    ],
)
def test_weights_of_another_network_are_refused(tmp_path, state, words):
    torch.save(state, tmp_path / "weights.pt")
    with pytest.raises(WeightsError, match=words):
        load_pretrained(encoder(), "prithvi_eo_tiny", tmp_path / "weights.pt")


def test_a_missing_file_and_a_model_without_published_weights():  # pitfall 19
    with pytest.raises(WeightsError, match=r"no such weights file; check model\.weights"):
        find_weights("prithvi_eo_tiny", "/nowhere/weights.pt")
    with pytest.raises(WeightsError, match=r"no published weights.*model\.load_pretrained_weights=false"):
        find_weights("prithvi_eo_tiny")


def test_without_network_the_sentence_says_which_file_where_and_the_switch(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsError) as refused:
        find_weights("prithvi_eo_v1_100")
    for word in ("Prithvi_EO_V1_100M.pt", "Prithvi-EO-1.0-100M", "model.weights=", "load_pretrained_weights=false"):
        assert word in str(refused.value)
