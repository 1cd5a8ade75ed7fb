"""Files that a manifest lists stay below the folder of their model."""

import pytest

from instageo.errors import RegistryError
from instageo.model.registry.published_paths import is_published_path, locate_below


@pytest.mark.parametrize(
    "path",
    [
        "net.ckpt",
        ".hydra/config.yaml",
        "exports/net.onnx",
        "a b.json",
        "karte_größe.tif",
        "apartment.csv",
        "blocks/x.y",
    ],
)
def test_usable_paths(path):
    assert is_published_path(path)


@pytest.mark.parametrize(
    "path",
    [
        "", ".", "..", "../x", "a/../../x", "a/../b", "./x", "a//b", "a/", "/etc/passwd", "/vsimem/x", "/vsicurl/../x",
        "vsi\0x", "a\nb", "\x7f", "a\\b", "C:x", "gs://bucket/x", "x:stream", ".lock", "a/.lock", ".registry.json",
        "x.part", "x.PART", "x.part.json", ".x.part.tif", "x.lock", ".ssh/authorized_keys", "..hydra", None, 3, b"x",
    ],
)  # fmt: skip
def test_unusable_paths(path):
    assert not is_published_path(path)


def test_links_that_lead_out_are_refused(tmp_path):
    folder, outside = tmp_path / "models" / "m", tmp_path / "outside"
    folder.mkdir(parents=True)
    outside.mkdir()
    (folder / "exports").symlink_to(outside)
    (folder / "net.ckpt").symlink_to(outside / "victim")
    (folder / "inside.ckpt").symlink_to(folder / "other.ckpt")
    for path in ("exports/net.onnx", "net.ckpt"):
        with pytest.raises(RegistryError, match=f"{path}: leads to {outside}.*outside of the model's folder"):
            locate_below(folder, path)
    assert locate_below(folder, "inside.ckpt") == folder / "inside.ckpt"
    assert locate_below(folder, "new/net.ckpt") == folder / "new" / "net.ckpt"


def test_a_folder_of_models_may_itself_be_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "models").symlink_to(tmp_path / "disk")
    assert locate_below(tmp_path / "models", "net.ckpt") == tmp_path / "models" / "net.ckpt"
