from instageo.data.output.journal import JOURNAL, ChipJournal, Finished
from instageo.data.output.skipped import Reason, Skipped


def finished(folder, name, size=3):
    (folder / f"{name}.tif").write_bytes(b"x" * size)
    return Finished(name, {f"{name}.tif": size}, {"Input": f"{name}.tif", "lat": 1.5})


def test_a_resumed_run_knows_what_is_finished(tmp_path):
    skipped = Finished("c", {}, {}, (Skipped(3, Reason.TOO_CLOUDY, "10 % clear"),))
    chips = [finished(tmp_path, "a"), finished(tmp_path, "b"), skipped]
    ChipJournal(tmp_path, is_resumed=False).add(chips)
    assert ChipJournal(tmp_path, is_resumed=True).finished == {chip.name: chip for chip in chips}
    assert ChipJournal(tmp_path, is_resumed=False).finished == {}


def test_a_line_that_was_cut_and_files_that_are_not_whole_count_as_unfinished(tmp_path):
    ChipJournal(tmp_path, is_resumed=False).add([finished(tmp_path, name) for name in "abcd"])
    text = (tmp_path / JOURNAL).read_text()
    (tmp_path / JOURNAL).write_text(text[: text.rindex('"row"')])
    (tmp_path / "a.tif").write_bytes(b"xx")
    (tmp_path / "b.tif").unlink()
    assert list(ChipJournal(tmp_path, is_resumed=True).finished) == ["c"]


def test_a_last_line_that_was_cut_before_its_end_of_line_is_whole(tmp_path):
    journal = ChipJournal(tmp_path, is_resumed=False)
    journal.add([finished(tmp_path, "a")])
    (tmp_path / JOURNAL).write_text((tmp_path / JOURNAL).read_text().rstrip("\n"))
    ChipJournal(tmp_path, is_resumed=True).add([finished(tmp_path, "b")])
    assert list(ChipJournal(tmp_path, is_resumed=True).finished) == ["a", "b"]


def test_what_a_killed_process_left_is_removed(tmp_path):
    (tmp_path / "chips").mkdir()
    left, whole = tmp_path / "chips" / ".a.tif.0123456789ab.part", tmp_path / "chips" / "a.tif"
    left.touch()
    whole.touch()
    ChipJournal(tmp_path, is_resumed=True)
    assert (left.exists(), whole.exists()) == (False, True)


def test_at_the_end_the_journal_is_in_the_order_of_the_plans(tmp_path):
    late, early = finished(tmp_path, "late"), finished(tmp_path, "early")
    journal = ChipJournal(tmp_path, is_resumed=False)
    journal.add([late])
    journal.add([early])
    journal.close(["early", "other", "late"])
    assert (tmp_path / JOURNAL).read_text() == early.line() + late.line()
