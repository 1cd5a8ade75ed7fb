"""Networks, weights and data of the Python API in loops and decoders of one's own."""

import pandas
import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

import instageo
from instageo.errors import TableError, WeightsError
from instageo.model.dataset.table_dataset import sample_from_dict, sample_to_dict
from instageo.model.networks.interop import build_network_with_decoder, sample_from_torchgeo, sample_to_torchgeo
from tests.integration.conftest import SIDE
from tests.integration.library.training import TRAINER, small_network

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:pytorch_lightning"),
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning"),  # Lightning with this PyTorch
]


def test_a_loop_of_ones_own(data, tmp_path):
    chips = instageo.ChipDataset(data / "train.csv", crop_size=SIDE, statistics="auto")
    loader = DataLoader(chips, batch_size=2, shuffle=True)
    net = small_network()
    optimizer, criterion = torch.optim.AdamW(net.parameters(), lr=1e-3), torch.nn.CrossEntropyLoss(ignore_index=-1)
    losses = []
    for epoch in range(3):
        chips.set_epoch(epoch)
        for batch in loader:
            loss = criterion(net(batch["image"], batch["temporal_coords"], batch["location_coords"]), batch["label"])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert losses[-1] < losses[0]
    instageo.save_model(net, tmp_path / "mine", data=chips, metrics={"val_mIoU": 0.9})
    model = instageo.load_model(tmp_path / "mine", device="cpu")
    assert model.metrics == {"val_mIoU": 0.9}
    assert model.settings.dataloader.mean == pytest.approx(chips.mean)
    item = instageo.ChipDataset(data / "train.csv", statistics="auto")[1]
    with torch.no_grad():
        logits = net.eval()(item["image"][None], item["temporal_coords"][None], item["location_coords"][None])[0]
    prediction = model.predict(chips.report.rows[1].input)
    inside = item["valid"].any(0).numpy()
    assert (prediction.classes[inside] == logits.argmax(0).numpy()[inside]).mean() > 0.999


class SumDecoder(torch.nn.Module):
    """A decoder as TerraTorch has them: it takes four maps of these channels, and gives one."""

    def __init__(self, channels, width=16):
        super().__init__()
        self.levels = torch.nn.ModuleList(torch.nn.Conv2d(count, width, 1) for count in channels)
        self.out_channels = width

    def forward(self, maps):
        return sum(level(part) for level, part in zip(self.levels, maps, strict=True))


def test_a_torchgeo_dataset_and_a_terratorch_decoder(data):
    chips = instageo.ChipDataset(data / "train.csv", crop_size=SIDE, statistics="auto")
    theirs = [sample_to_torchgeo(sample_from_dict(item)) for item in chips]
    assert theirs[0]["image"].shape == (6, SIDE, SIDE)
    ours = [sample_to_dict(sample_from_torchgeo(sample)) for sample in theirs]
    assert all(torch.equal(ours[0][key], chips[0][key]) for key in ("image", "valid", "label"))
    encoder = instageo.build_encoder("prithvi_eo_tiny", depth=2, img_size=SIDE)
    net = build_network_with_decoder(encoder, SumDecoder, num_classes=2)
    task = instageo.SegmentationTask(net, num_classes=2, lr=1e-3)
    trainer = pl.Trainer(max_epochs=1, **TRAINER)
    trainer.fit(task, DataLoader(ours, batch_size=2), DataLoader(ours, batch_size=2))
    assert torch.isfinite(trainer.callback_metrics["val_mIoU"])


def test_pretrained_weights_of_a_file(tmp_path):
    donor = instageo.build_encoder("prithvi_eo_tiny", depth=2)
    torch.save(donor.state_dict(), tmp_path / "encoder.pt")
    net = instageo.build_network("prithvi_eo_tiny", num_classes=2, depth=2, pretrained=tmp_path / "encoder.pt")
    own, given = net.prithvi_encoder.state_dict(), donor.state_dict()
    assert all(torch.equal(own[key], value) for key, value in given.items() if key != "pos_embed")
    fewer = instageo.build_encoder(
        "prithvi_eo_tiny", depth=2, bands=("RED", "BLUE"), pretrained=str(tmp_path / "encoder.pt")
    )
    assert torch.equal(fewer.patch_embed.proj.weight, donor.patch_embed.proj.weight[:, [2, 0]])


def test_published_weights_without_a_network_connection(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match="prithvi_eo_v2_300_tl") as error:
        instageo.build_network("prithvi_eo_v2_300_tl", num_classes=2, pretrained=True)
    assert "\n" not in str(error.value)
    with pytest.raises(WeightsError, match="no published weights"):
        instageo.build_network("prithvi_eo_tiny", num_classes=2, pretrained=True)


def test_models_are_listed_as_names_and_as_a_table():
    names = instageo.list_models()
    assert isinstance(names[0], str)
    assert "prithvi_eo_tiny" not in instageo.list_models(pretrained=True)
    line = next(line for line in repr(names).splitlines() if line.startswith("prithvi_eo_v2_300_tl"))
    assert line.split() == [
        "prithvi_eo_v2_300_tl", "303.9M", "16", "4", "time,", "location",
        "ibm-nasa-geospatial/Prithvi-EO-2.0-300M-TL",
    ]  # fmt: skip


def test_a_data_frame_is_a_table(data):
    frame = pandas.read_csv(data / "train.csv")
    chips = instageo.ChipDataset(frame, root_dir=data, crop_size=16, seed=1)
    from_file = instageo.ChipDataset(data / "train.csv", crop_size=16, seed=1)
    assert len(chips) == len(from_file) == len(frame)
    torch.testing.assert_close(chips[1], from_file[1], equal_nan=True)  # dates are unknown
    assert repr(chips).startswith("ChipDataset(DataFrame: 4 chips of 6 layers")
    with pytest.raises(TableError, match="DataFrame: no column 'Label'; found"):
        instageo.ChipDataset(frame[["Input"]], root_dir=data)
    dm = instageo.ChipDataModule(frame, frame, root_dir=data, crop_size=16, batch_size=4)
    assert next(iter(dm.train_dataloader()))["image"].shape == (4, 6, 1, 16, 16)
