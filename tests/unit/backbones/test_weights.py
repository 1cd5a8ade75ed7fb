"""Published files load in every wrapping, with a report on every key; other files are refused."""

import logging
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from instageo.errors import CheckpointError, WeightsError
from instageo.model import build_encoder
from instageo.model.backbones.prithvi import PrithviEncoder
from instageo.model.backbones.variants import VARIANTS
from instageo.model.backbones.weights import LoadReport, find_weights, load_pretrained, match_bands, summarize_keys
from instageo.model.networks.checkpoint import read_checkpoint
from instageo.sensors import PRITHVI_BANDS


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


def test_safetensors_load_and_missing_keys_are_reported_as_new(tmp_path, caplog):
    state = published()
    del state["norm.weight"]
    save_file(state, tmp_path / "weights.safetensors")
    with caplog.at_level(logging.INFO):
        report = load_pretrained(encoder(), "prithvi_eo_tiny", tmp_path / "weights.safetensors")
    assert report.new == ("norm.weight",)
    assert "newly initialised: norm (1 tensors)" in caplog.text


def test_a_file_that_could_run_code_is_refused_and_does_not_run_it(tmp_path):  # pitfall 36
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
        ({"conv1.weight": torch.ones(3)}, r"none of its 1 tensors belongs to prithvi_eo_tiny \(the first are \['conv1"),
        ({"cls_token": torch.ones(1, 1, 768)}, r"cls_token has shape \[1, 1, 768\].* \[1, 1, 256\]"),
    ],
)
def test_weights_of_another_network_are_refused(tmp_path, state, words):
    torch.save(state, tmp_path / "weights.pt")
    with pytest.raises(WeightsError, match=words):
        load_pretrained(encoder(), "prithvi_eo_tiny", tmp_path / "weights.pt")


def test_a_missing_file_and_a_model_without_published_weights():  # pitfall 19
    with pytest.raises(WeightsError, match=r"^/nowhere/weights\.pt does not exist; check model\.weights"):
        find_weights("prithvi_eo_tiny", "/nowhere/weights.pt")
    with pytest.raises(WeightsError, match=r"no published weights.*model\.load_pretrained_weights=false"):
        find_weights("prithvi_eo_tiny")


def test_without_network_the_message_names_the_file_the_repository_and_the_settings(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsError) as refused:
        find_weights("prithvi_eo_v1_100")
    for word in ("Prithvi_EO_V1_100M.pt", "Prithvi-EO-1.0-100M", "model.weights=", "load_pretrained_weights=false"):
        assert word in str(refused.value)


PROJECTION = "patch_embed.proj.weight"
SIX = 2.0 ** torch.arange(6).reshape(1, 6, 1, 1, 1)  # 1, 2, 4, 8, 16, 32: every sum identifies its parts


def matched(*target, weight=SIX, source=PRITHVI_BANDS):
    return match_bands(weight, source, target).flatten().tolist()


def test_shared_bands_keep_their_weights_in_any_order():  # pitfall 27
    assert matched(*PRITHVI_BANDS) == [1, 2, 4, 8, 16, 32]
    assert matched(*PRITHVI_BANDS[::-1]) == [32, 16, 8, 4, 2, 1]
    assert matched("RED", "GREEN", "BLUE", "NIR_NARROW") == [4, 2, 1, 8]
    assert matched("SWIR_1") == [16]


def test_new_bands_start_from_the_mean_of_the_shared_ones_and_all_are_scaled():  # pitfall 27
    # three shared bands of mean 2, one new: times 3/4
    weight = torch.tensor([1.0, 2, 3]).reshape(1, 3, 1, 1, 1)
    assert matched("A", "NEW", "C", "B", weight=weight, source=("A", "B", "C")) == [0.75, 1.5, 2.25, 1.5]
    # none shared: the mean of all, times 3/2
    assert matched("X", "Y", weight=weight, source=("A", "B", "C")) == [3, 3]


@pytest.mark.parametrize(
    "target",
    [("COASTAL", *PRITHVI_BANDS), (*PRITHVI_BANDS, *"ABCDEFG"), tuple("ABCDEF"), ("ONE",), tuple("ABCDEFGHIJKLM")],
)
def test_with_added_bands_an_image_that_is_the_same_in_all_bands_is_embedded_as_before(target):  # pitfall 27
    weight = torch.randn(8, 6, 1, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(match_bands(weight, PRITHVI_BANDS, target).sum(1), weight.sum(1), rtol=1e-12, atol=1e-12)


def with_bands(count, content=None):
    """A file whose projection has the value 1 + n for band n."""
    weight = torch.arange(1.0, 1 + count).reshape(1, count, 1, 1, 1).expand(256, count, 1, 16, 16)
    return (content or {}) | {"state_dict": published() | {PROJECTION: weight}}


def loaded_bands(tmp_path, content, bands):
    torch.save(content, tmp_path / "weights.ckpt")
    net = build_encoder("prithvi_eo_tiny", temporal_dim=1, img_size=32, depth=1, bands=bands)
    report = load_pretrained(net, "prithvi_eo_tiny", tmp_path / "weights.ckpt", bands)
    weight = net.patch_embed.proj.weight
    assert (weight == weight[:1, :, :, :1, :1]).all()
    return weight[0, :, 0, 0, 0].tolist(), report


def test_bands_of_a_published_file_are_matched_by_name_and_reported(tmp_path):  # pitfall 27
    values, report = loaded_bands(tmp_path, with_bands(6), ("NIR_NARROW", "RED", "HAZE", "BLUE"))
    assert values == [3, 2.25, 2, 0.75]  # 4, 3, their mean 8/3, 1, times 3/4
    assert report.notes == (
        "bands by name: NIR_NARROW, RED, BLUE; not in the weights, so initialised with their mean: HAZE; "
        "left out: GREEN, SWIR_1, SWIR_2",
    )
    assert report.summary().endswith(f"; {report.notes[0]}")
    assert PROJECTION in report.loaded
    assert loaded_bands(tmp_path, with_bands(6), PRITHVI_BANDS)[1].notes == ()
    assert loaded_bands(tmp_path, with_bands(6), PRITHVI_BANDS[::-1])[0] == [6, 5, 4, 3, 2, 1]


def test_bands_of_another_runs_checkpoint_are_matched_by_the_names_in_it(tmp_path):  # pitfall 27
    section = {"instageo": {"settings": {"dataloader.band_names": ["RED", "HAZE", "BLUE"]}}}
    values, report = loaded_bands(tmp_path, with_bands(3, section), ("BLUE", "RED"))
    assert values == [3, 1]
    assert report.notes == ("bands by name: BLUE, RED; left out: HAZE",)
    values, report = loaded_bands(tmp_path, with_bands(3, section), ("RED", "HAZE", "BLUE"))
    assert values == [1, 2, 3]
    assert report.notes == ()


def test_a_file_of_three_bands_without_their_names_is_refused(tmp_path):  # pitfall 27
    with pytest.raises(WeightsError, match=r"patch_embed\.proj\.weight has shape \[256, 3, 1, 16, 16\].* \[256, 2, 1"):
        loaded_bands(tmp_path, with_bands(3), ("BLUE", "RED"))


SCALES = ("temporal_embed_enc.scale", "location_embed_enc.scale")


def narrow(coordinates):
    variant = replace(VARIANTS["prithvi_eo_v2_tiny_tl"], coordinates=coordinates)
    return PrithviEncoder(variant, channels=6, temporal_dim=1, img_size=32, depth=1)


@pytest.mark.parametrize("in_file", [True, False])
def test_scales_of_dates_and_location_are_dropped_or_new_if_only_one_side_has_them(tmp_path, in_file):  # pitfall 26
    state = {f"encoder.{key}": torch.full_like(value, 7) for key, value in narrow(in_file).state_dict().items()}
    torch.save(state, tmp_path / "weights.pt")
    net = narrow(not in_file)
    report = load_pretrained(net, "prithvi_eo_v2_tiny_tl", tmp_path / "weights.pt")
    assert set(report.dropped) == ({"pos_embed", *SCALES} if in_file else {"pos_embed"})
    assert report.new == (() if in_file else SCALES)
    scales = [value.item() for key, value in net.named_parameters() if key in SCALES]
    assert scales == ([] if in_file else pytest.approx([0.1, 0.1]))
    assert all((value == 7).all() for key, value in net.named_parameters() if key not in SCALES)


@pytest.mark.parametrize(
    ("keys", "summary"),
    [
        (["cls_token"], "cls_token (1 tensors)"),
        (["norm.weight", "norm.bias"], "norm (2 tensors)"),
        (["blocks.0.norm1.weight", "blocks.1.norm1.weight", "blocks.2.mlp.fc1.bias"], "blocks.0-2 (3 tensors)"),
        (["blocks.10.norm1.bias", "blocks.2.norm1.bias", "blocks.3.norm1.bias"], "blocks.2,3,10 (3 tensors)"),
        (["decoder.decoder_blocks.7.attn.qkv.weight"], "decoder.decoder_blocks.7 (1 tensors)"),
        (list(SCALES), "temporal_embed_enc, location_embed_enc (2 tensors)"),
    ],
)
def test_keys_are_summarized_as_parts_of_the_network(keys, summary):
    assert summarize_keys(keys) == summary


def test_a_report_has_one_line():
    report = LoadReport(("cls_token", "norm.weight"), ("mask_token",), ("blocks.1.norm1.weight",), ("a note",))
    assert report.summary() == (
        "loaded cls_token, norm (2 tensors); dropped mask_token (1 tensors); "
        "newly initialised: blocks.1 (1 tensors); a note"
    )
    assert LoadReport(("cls_token",), (), ()).summary() == "loaded cls_token (1 tensors)"


def test_a_state_with_unmerged_lora_weights_is_refused(tmp_path):
    torch.save({"state_dict": {"net.prithvi_encoder.cls_token": torch.ones(1, 1, 256),
                               "net.prithvi_encoder.blocks.0.attn.qkv.lora_A.default.weight": torch.ones(2, 256)}},
               tmp_path / "last.ckpt")  # fmt: skip
    with pytest.raises(
        WeightsError,
        match=r"contains unmerged LoRA weights and can only be used to resume training; use the instageo_best",
    ):
        load_pretrained(encoder(), "prithvi_eo_tiny", tmp_path / "last.ckpt")
    with pytest.raises(CheckpointError, match=r"contains unmerged LoRA weights"):
        read_checkpoint(tmp_path / "last.ckpt")
