"""What a cleaning writes: tables with right paths, groups, chips with masks; and what the order of rows changes."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instageo.data import CleanSettings, clean_table
from instageo.data.cleaning.table_cleaning import check_table
from instageo.errors import ConfigError
from instageo.raster.reading import read_raster
from instageo.raster.writing import write_raster
from tests.cleaning import BANDS, ChipTableWriter, chip_grid, ground_chip, read_findings

TABLE_WIDE = {"duplicate", "near_duplicate", "overlap", "outlier", "classes", "grid"}
"""Checks that compare a chip with others."""


def rows(path):
    with Path(path).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def table(tmp_path):
    """Path of a table of four chips: one good, a copy of it, one constant, one that cannot be read."""
    rng, writer = np.random.default_rng(1), ChipTableWriter(tmp_path / "data")
    values, label = ground_chip(rng, 32)
    flat, flat_label = ground_chip(rng, 32)
    flat[2] = 7
    writer.add("größe", values, label, chip_grid(0, 32), site="Ödenburg, 1", quality="")
    writer.add("copy", values, label, chip_grid(0, 32), site="b", quality="")
    writer.add("flat", flat, flat_label, chip_grid(2, 32), site="c", quality="")
    writer.add("damaged", values, label, chip_grid(3, 32), site="d", quality="")
    (tmp_path / "data/chips/damaged.tif").write_bytes(b"II*\0nothing")
    (tmp_path / "data/settings.json").write_text('{"dataloader": {"band_names": ["A", "B", "C", "D", "E", "F"]}}')
    return writer.write()


def test_tables_stand_next_to_the_old_one_and_keep_all_columns(table):
    report = clean_table(CleanSettings(table, drop=True))
    folder = Path(table).parent
    assert report.files["table"] == folder / "chips_clean.csv"
    assert report.files["findings"] == folder / "chips_clean/clean.csv"
    [kept] = rows(folder / "chips_clean.csv")
    original = rows(table)[0]
    assert {name: kept[name] for name in original} == original
    groups = rows(folder / "chips_groups.csv")
    assert [row["group"] for row in groups] == ["1", "1", "3", "4"]
    assert [row["component"] for row in groups] == ["1", "1", "3", "4"]
    assert read_findings(report.files["findings"]) == [
        ("copy", "duplicate", "drop"), ("flat", "constant", "drop"), ("damaged", "readable", "drop"),
    ]  # fmt: skip


def test_paths_stay_right_in_another_folder_and_the_settings_come_along(table, tmp_path):
    report = clean_table(CleanSettings(table, str(tmp_path / "out"), drop=True))
    assert report.files["table"] == tmp_path / "out/chips_clean.csv"
    [kept] = rows(report.files["table"])
    for column in ("Input", "Label"):
        assert (report.files["table"].parent / kept[column]).resolve() == (Path(table).parent / rows(table)[0][column])
    described = [
        json.loads((folder / "settings.json").read_text()) for folder in (tmp_path / "out", Path(table).parent)
    ]
    assert described[0] == described[1]


def test_the_files_of_a_report_agree(table):
    report = clean_table(CleanSettings(table, threads=2))
    assert report.summary() == (
        "4 chips: 3 with findings (1 readable, 1 constant, 1 duplicate), 3 to drop, "
        "1 group of chips that belong together"
    )
    counts = json.loads(report.files["counts"].read_text(encoding="utf-8"))
    assert counts["checks"]["duplicate"] == {"drop": 1}
    assert counts["remarks"] == list(report.remarks)
    page = report.files["report"].read_text(encoding="utf-8")
    assert "chips/flat.tif" in page
    assert "copy" in page
    for picture in ("histograms", "map", "chip_2", "chip_3"):
        assert (report.files["report"].parent / f"pictures/{picture}.png").read_bytes().startswith(b"\x89PNG")


def test_names_are_shown_as_text(tmp_path):
    writer = ChipTableWriter(tmp_path)
    writer.rows.append({"Input": "<script>x.tif"})
    report = clean_table(CleanSettings(writer.write()))
    assert "<script>" not in report.files["report"].read_text()
    assert "&lt;script&gt;x.tif" in report.files["report"].read_text()


def test_columns_of_groups_leave_others_of_the_same_name(table):
    path = Path(table)
    path.write_text("\n".join(f"{line},{'group' if not number else f'g{number}'}"
                              for number, line in enumerate(path.read_text().splitlines())))  # fmt: skip
    found = rows(clean_table(CleanSettings(table)).files["groups"])
    assert [row["group"] for row in found] == ["g1", "g2", "g3", "g4"]
    assert [row["clean_group"] for row in found] == ["1", "1", "3", "4"]


def test_a_url_needs_an_output_folder():
    with pytest.raises(ConfigError, match="is a URL; pass the folder to write to by output"):
        check_table(CleanSettings("/vsimem/chips.csv"))


def masked_table(tmp_path, no_data=-9999):
    """Return the path of a table of one chip of two dates, whose quality file marks rows 0-3 and 4-7."""
    values, label = ground_chip(np.random.default_rng(2), 32, steps=2)
    grid = chip_grid(0, 32)
    quality = np.zeros((2, 32, 32), np.uint8)
    quality[0, :4], quality[1, 4:8] = 0b10, 0b1000  # cloud, shadow
    quality[:, 20:24] = 0b10_0000  # water, which is not covered
    write_raster(tmp_path / "qa/one.tif", quality, grid)
    writer = ChipTableWriter(tmp_path)
    writer.add("one", values, label, grid, no_data=no_data, QA="qa/one.tif", dates="2024-05-01;2024-06-01")
    return writer.write(), values


@pytest.mark.parametrize(("mask", "masked"), [((), (4, 4)), (("cloud",), (4, 0))])
def test_masks_become_no_data_in_new_chips_and_change_no_other_value(mask, masked, tmp_path):
    table, values = masked_table(tmp_path)
    before = (tmp_path / "chips/one.tif").read_bytes()
    options = {"mask": mask} if mask else {}
    report = clean_table(CleanSettings(table, apply_mask=True, quality="QA", **options))
    [row] = rows(report.files["table"])
    assert row["Input"] == "masked/chips/one.tif"
    chip = read_raster(tmp_path / row["Input"])
    expected = np.ones((12, 32, 32), bool)
    expected[:6, : masked[0]], expected[6:, 4 : 4 + masked[1]] = False, False
    np.testing.assert_array_equal(chip.valid, expected)
    np.testing.assert_array_equal(chip.values[expected], values[expected])
    assert set(chip.values[~expected].tolist()) == {-9999}
    assert (tmp_path / "chips/one.tif").read_bytes() == before


def test_without_apply_mask_no_chip_is_written(tmp_path):
    table, _ = masked_table(tmp_path)
    checked = check_table(CleanSettings(table, quality="QA", min_clear=0.9))
    assert [(entry.check, entry.finding.value) for entry in checked.results.findings] == [
        ("cloud", "87.5% of the pixels are clear at date 1")
    ]
    assert not (tmp_path / "masked").exists()


def described_table(tmp_path, **dataloader):
    """Return the path of a table of two chips: layers SWIR_2 … BLUE, and Fmask, that `settings.json` describes."""
    writer = ChipTableWriter(tmp_path)
    for number in range(2):
        values, label = ground_chip(np.random.default_rng(number), 32)
        quality = np.zeros((1, 32, 32), np.int16)
        quality[0, :4] = 0b10
        values = np.concatenate([values[::-1], quality])
        writer.add(f"chip_{number}", values, label, chip_grid(number, 32), bands=(*BANDS[::-1], "Fmask"))
    (tmp_path / "settings.json").write_text(json.dumps({"unit": "x", "dataloader": dataloader}))
    return writer.write()


def test_settings_of_chips_with_masks_have_their_positions(tmp_path):
    """Layers 5, 4, 3 of 7 are read, which are BLUE, GREEN, RED: in the new chips they are 0, 1, 2 of 3."""
    loader = {
        "band_names": [*BANDS[:3]],
        "bands": [5, 4, 3],
        "num_layers": 7,
        "temporal_dim": 1,
        "no_data_value": -9999,
    }
    table = described_table(tmp_path, **loader)
    options = {"apply_mask": True, "quality": "6"}
    with pytest.raises(ConfigError, match=r"settings\.json: does not fit .* masks, which have only the 3 layers"):
        clean_table(CleanSettings(table, **options))
    assert not (tmp_path / "masked").exists()
    report = clean_table(CleanSettings(table, **options, output=str(tmp_path / "new")))
    content = json.loads((tmp_path / "new/settings.json").read_text())
    assert content == {"unit": "x", "dataloader": loader | {"bands": [0, 1, 2], "num_layers": 3}}
    before, after = read_raster(tmp_path / "chips/chip_1.tif"), read_raster(tmp_path / "new/masked/chips/chip_1.tif")
    np.testing.assert_array_equal(after.values[:, 4:], before.values[[5, 4, 3], 4:])
    assert not after.valid[:, :4].any()
    again = clean_table(CleanSettings(str(report.files["table"]), output=str(tmp_path / "again")))
    assert "readable" not in {name for name, count in again.findings.items() if count}


def test_settings_that_fit_chips_with_masks_are_shared(tmp_path):
    """All six layers are read, and masks are in files: nothing of the description changes."""
    table, _ = masked_table(tmp_path)
    content = {"dataloader": {"band_names": [*BANDS], "temporal_dim": 2, "sensor": None}}
    (tmp_path / "settings.json").write_text(json.dumps(content))
    clean_table(CleanSettings(table, apply_mask=True, quality="QA"))
    clean_table(CleanSettings(table, apply_mask=True, quality="QA", output=str(tmp_path / "new")))
    for folder in (tmp_path, tmp_path / "new"):
        assert json.loads((folder / "settings.json").read_text()) == content


def test_chips_without_a_quality_file_have_the_layers_of_the_others(tmp_path):
    table = Path(described_table(tmp_path))
    write_raster(tmp_path / "qa.tif", np.ones((1, 32, 32), np.uint8), chip_grid(0, 32))
    table.write_text("\n".join(f"{line},{cell}" for line, cell in
                               zip(table.read_text().splitlines(), ("QA", "qa.tif", ""), strict=True)))  # fmt: skip
    options = {"apply_mask": True, "quality": "QA", "quality_kind": "mask", "layers": (5, 4)}
    report = clean_table(CleanSettings(str(table), **options))
    chips = [read_raster(tmp_path / row["Input"]) for row in rows(report.files["table"])]
    assert [(len(chip.values), bool(chip.valid.any())) for chip in chips] == [(2, False), (2, True)]
    assert any("1 chip has no quality file, so none of their pixels are masked" in remark for remark in report.remarks)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(6)))
def test_the_order_of_rows_changes_no_finding_but_which_of_two_copies_is_kept(order, tmp_path_factory):
    path = tmp_path_factory.mktemp("order")
    rng, writer = np.random.default_rng(3), ChipTableWriter(path)
    for number in range(6):
        values, label = ground_chip(rng, 32)
        if number == 1:
            values[:, :20] = -9999
        if number == 2:
            values[:3, :4] = 16_000
        writer.add(f"chip{number}", values, label, chip_grid(number, 32), dates="2024-05-01")
    before = findings(check_table(CleanSettings(writer.write(), threads=1)))
    writer.rows = [writer.rows[number] for number in order]
    assert findings(check_table(CleanSettings(writer.write(), threads=1))) == before
    for row in writer.rows[:2]:
        writer.rows = [row]
        name = Path(row["Input"]).stem
        alone = findings(check_table(CleanSettings(writer.write(), threads=1)))
        assert {entry for entry in alone if entry[1] not in TABLE_WIDE} == {
            entry for entry in before if entry[0] == name and entry[1] not in TABLE_WIDE
        }


def findings(checked):
    return {(Path(entry.finding.chip.row.name).stem, entry.check, entry.finding.value, entry.verdict)
            for entry in checked.results.findings}  # fmt: skip
