"""Archives, labels with days, and the journal of downloads."""

import io
import json
import tarfile
import zipfile

import pytest

from instageo.recipes.definition.recipe import DownloadSource, ListedFile, RecipeError
from instageo.recipes.definition.shipped import open_recipe
from instageo.recipes.preparation.dated_labels import DatedLabels, link_dated_labels
from instageo.recipes.preparation.downloads import JOURNAL, download_all, format_size
from instageo.recipes.preparation.folder import check_prepared, held, read_preparation
from instageo.recipes.preparation.places import RemoteFile, list_place
from instageo.recipes.preparation.prepare import prepare_recipe
from instageo.recipes.preparation.unpacking import unpack_archive
from instageo.stores.base import StoreError


def tar(path, **files):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def test_archives_are_unpacked_next_to_what_is_there(tmp_path):
    (tmp_path / "out" / "a").mkdir(parents=True)
    (tmp_path / "out" / "a" / "old").write_text("old")
    (tmp_path / "out" / ".unpacking").mkdir()  # of a process that was killed
    unpack_archive(tar(tmp_path / "x.tgz", **{"a/new": b"1", "b": b"2"}), tmp_path / "out")
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("../../c", b"3")
    unpack_archive(tmp_path / "x.zip", tmp_path / "out")
    names = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*"))
    assert names == ["a", "a/new", "a/old", "b", "c"]


@pytest.mark.parametrize("name", ["../up", "/abs"])
def test_entries_stay_in_the_folder(name, tmp_path):
    path = tar(tmp_path / "x.tgz", **{name: b"1"})
    if name == "/abs":  # taken as relative
        unpack_archive(path, tmp_path / "out")
        assert (tmp_path / "out" / "abs").read_bytes() == b"1"
    else:
        with pytest.raises(RecipeError, match="cannot be unpacked"):
            unpack_archive(path, tmp_path / "out")
        assert not (tmp_path / "up").exists()
        assert not (tmp_path / "out" / ".unpacking").exists()


def test_damaged_and_missing_archives_are_one_sentence(tmp_path):
    whole = tar(tmp_path / "whole.tgz", a=bytes(range(256)) * 400).read_bytes()
    (tmp_path / "x.tgz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "y.zip").write_bytes(b"no archive")
    for name in ("x.tgz", "y.zip"):
        with pytest.raises(RecipeError, match=r"cannot be unpacked .*; delete it and prepare again"):
            unpack_archive(tmp_path / name, tmp_path / "out")
    with pytest.raises(RecipeError, match="no such file; expected the archive"):
        unpack_archive(tmp_path / "z.tgz", tmp_path / "out")


def test_labels_get_the_day_of_their_event(tmp_path):
    (tmp_path / "hand").mkdir()
    for name in ("Ghana_1_LabelHand.tif", "Ghana_2_LabelHand.tif", "Sri-Lanka_1_LabelHand.tif"):
        (tmp_path / "hand" / name).write_text(name)
    labels = DatedLabels("hand", "days", {"Ghana": "2018-09-18", "Sri-Lanka": "2017-05-30"})
    assert link_dated_labels(labels, tmp_path) == link_dated_labels(labels, tmp_path) == 3
    assert sorted(path.name for path in (tmp_path / "days").iterdir()) == [
        "Ghana_1_LabelHand_20180918.tif", "Ghana_2_LabelHand_20180918.tif", "Sri-Lanka_1_LabelHand_20170530.tif",
    ]  # fmt: skip
    with pytest.raises(RecipeError, match=r"has no Mars_….tif"):
        link_dated_labels(DatedLabels("hand", "days", {"Mars": "2018-09-18"}), tmp_path)


@pytest.fixture
def served(store):
    """A place on a web server with a file."""
    folder, url = store
    (folder / "a.bin").write_bytes(b"12345")
    return folder, url


def test_files_are_fetched_once_and_again_if_they_changed(served, tmp_path, caplog):
    source = DownloadSource(served[1], files=(ListedFile("a.bin"),), to="sub")
    target, out = tmp_path / "out" / "sub" / "a.bin", tmp_path / "out"
    caplog.set_level("INFO")
    assert download_all(list_place(source), out) == 1
    assert "1 file, 5 bytes; 1 file, 5 bytes, to download;" in caplog.text
    assert download_all(list_place(source), out) == 0
    with (out / JOURNAL).open("a") as journal:
        journal.write('{"path": "sub/a.bin", "si')  # a line that was cut
    assert download_all(list_place(source), out) == 0
    (served[0] / "a.bin").write_bytes(b"67890")
    assert download_all(list_place(source), out) == 1
    assert target.read_bytes() == b"67890"
    target.write_bytes(b"67")
    assert download_all(list_place(source), out) == 1
    assert target.read_bytes() == b"67890"


def test_other_contents_than_published_are_refused(served, tmp_path):
    with pytest.raises(RecipeError, match="has 5 bytes, but the recipe says 7"):
        list_place(DownloadSource(served[1], files=(ListedFile("a.bin", size=7),)))
    files = list_place(DownloadSource(served[1], files=(ListedFile("a.bin", sha256="0" * 64),)))
    with pytest.raises(StoreError, match="its place or the recipe says 0000"):
        download_all(files, tmp_path / "out")
    assert not (tmp_path / "out" / "a.bin").exists()
    with pytest.raises(StoreError, match="no such file"):
        list_place(DownloadSource(served[1], files=(ListedFile("b.bin"),)))


def test_what_does_not_fit_is_refused_before_it_is_fetched(tmp_path):
    huge = RemoteFile("https://host/huge", "huge", 10**18)
    with pytest.raises(RecipeError, match=r"free, but 1e\+06 TB needed|free, but .* TB needed; free some disk space"):
        download_all([huge], tmp_path / "out")
    twice = [RemoteFile("https://host/a/x", "x", 1), RemoteFile("https://host/b/x", "x", 1)]
    with pytest.raises(RecipeError, match="would be saved to the same path, x"):
        download_all(twice, tmp_path / "out")


def test_sizes():
    assert [format_size(size) for size in (0, 999, 1000, 3_300_000_000)] == ["0 bytes", "999 bytes", "1 kB", "3.3 GB"]


def test_a_folder_holds_one_recipe(tmp_path):
    def call(_):
        raise AssertionError("no step is reached")

    folder, recipe = tmp_path / "out", open_recipe("aod")
    with pytest.raises(RecipeError, match=r"aod needs a file of yours, .*points\.csv: a table with lat"):
        prepare_recipe(recipe, folder, call)
    with pytest.raises(RecipeError, match="is not prepared; run `instageo recipe prepare aod --folder"):
        check_prepared(recipe, folder)
    state = {"recipe": "locust", "sha256": "", "origin": "published", "steps": []}
    folder.mkdir()
    (folder / "recipe.json").write_text(json.dumps(state))
    with pytest.raises(RecipeError, match=r"holds the recipe locust \(published\), not aod; choose another folder"):
        prepare_recipe(recipe, folder, call)
    with pytest.raises(RecipeError, match="was not prepared to the end"):
        check_prepared(open_recipe("locust"), folder)
    with pytest.raises(RecipeError, match="holds chips that are published, not rebuilt"):
        prepare_recipe(open_recipe("locust"), folder, call, origin="rebuilt")
    with pytest.raises(RecipeError, match="--catalog has no effect on locust"):
        prepare_recipe(open_recipe("locust"), folder, call, catalog="planetary")
    (folder / "recipe.json").write_text("{")
    with pytest.raises(RecipeError, match="is damaged"):
        read_preparation(folder)


def test_a_folder_is_held_by_one_process(tmp_path):
    with held(tmp_path), pytest.raises(RecipeError, match="is being used by another command"), held(tmp_path):
        pass
