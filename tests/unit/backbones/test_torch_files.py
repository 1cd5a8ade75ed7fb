"""Files of tensors: damage is noticed, and nothing half-written replaces a whole file."""

import logging
import zipfile

import pytest
import torch

from instageo.errors import CheckpointError, WriteError
from instageo.model.backbones.torch_files import read_tensor_file, write_tensor_file
from tests.disks import file_size_limit

CONTENT = {"state_dict": {"a": torch.arange(3000.0), "b": torch.ones(7, dtype=torch.int8)}, "epoch": 3}


def same(content):
    tensors, expected = content["state_dict"], CONTENT["state_dict"]
    return content["epoch"] == 3 and all(torch.equal(tensors[key], expected[key]) for key in expected)


def test_a_written_file_is_read_again_by_this_program_and_by_torch(tmp_path):
    path = tmp_path / "new" / "net.ckpt"
    write_tensor_file(path, CONTENT)
    assert same(read_tensor_file(path, CheckpointError))
    assert same(torch.load(path, weights_only=True))
    assert [file.name for file in path.parent.iterdir()] == ["net.ckpt"]


def test_every_flipped_bit_of_the_content_is_noticed(tmp_path):  # pitfall 82
    path = tmp_path / "net.ckpt"
    write_tensor_file(path, CONTENT)
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        parts = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    silent = 0
    for content in parts.values():
        start = whole.index(content)
        for position in (start, start + len(content) // 2, start + len(content) - 1):
            damaged = bytearray(whole)
            damaged[position] ^= 16
            path.write_bytes(damaged)
            with pytest.raises(
                CheckpointError, match=r"net\.ckpt: (is damaged: the checksum of its part|not a PyTorch)"
            ):
                read_tensor_file(path, CheckpointError)
            try:
                torch.load(path, weights_only=True)
                silent += 1
            except Exception:  # noqa: BLE001 whatever PyTorch raises
                continue
    assert silent >= 6  # those that PyTorch itself does not see


@pytest.mark.parametrize("share", [0, 0.3, 0.99])
def test_a_file_that_was_cut_short_is_refused(tmp_path, share):
    path = tmp_path / "net.ckpt"
    write_tensor_file(path, CONTENT)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(CheckpointError, match="or a damaged one; download or create it again"):
        read_tensor_file(path, CheckpointError)


def save_without_checksums(path):
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(CONTENT, path)
    finally:
        torch.serialization.set_crc32_options(before)


def save_in_the_old_format(path):
    torch.save(CONTENT, path, _use_new_zipfile_serialization=False)


@pytest.mark.parametrize("save", [save_without_checksums, save_in_the_old_format])
def test_files_without_checksums_are_read_and_said_to_have_none(tmp_path, save, caplog):  # pitfall 82
    save(tmp_path / "net.pt")
    with caplog.at_level(logging.INFO):
        assert same(read_tensor_file(tmp_path / "net.pt", CheckpointError))
    assert caplog.messages == [f"{tmp_path / 'net.pt'}: contains no checksums, so that damage to it may go unnoticed"]


def test_nothing_is_said_of_the_checksums_of_what_is_no_file_of_tensors(tmp_path, caplog):
    (tmp_path / "net.pt").write_text("chip_1.tif,label_1.tif\n")
    with caplog.at_level(logging.INFO), pytest.raises(CheckpointError, match="not a PyTorch file of plain tensors"):
        read_tensor_file(tmp_path / "net.pt", CheckpointError)
    assert caplog.messages == []


@pytest.mark.parametrize("limit", [0, 5000, 13_000])
def test_a_full_disk_keeps_the_old_file(tmp_path, limit):  # pitfall 82
    path = tmp_path / "net.ckpt"
    write_tensor_file(path, CONTENT | {"epoch": 2})
    with file_size_limit(limit), pytest.raises(WriteError, match=r"net\.ckpt: cannot be written: File too large"):
        write_tensor_file(path, CONTENT)
    assert read_tensor_file(path, CheckpointError)["epoch"] == 2
    assert [file.name for file in tmp_path.iterdir()] == ["net.ckpt"]
