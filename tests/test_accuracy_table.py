"""The table of expected errors, and that every pair of formats converts."""

import json
from pathlib import Path

import accuracy_table
import numpy as np
import pytest

import skeleton_defs
from skelbridge.atlas import available
from skelbridge.conversion.affine_map import AffineMap

README = Path(__file__).parents[1] / "skelbridge" / "atlas" / "README.md"

pytestmark = pytest.mark.skipif(not available(), reason="no atlas is installed")


@pytest.fixture(scope="module")
def cells():
    return accuracy_table.table(accuracy_table.FORMATS)


def check(source: str, target: str) -> AffineMap:
    """Every row sums to one or is NaN, and whatever was combined has its error."""
    found = AffineMap.between(source, target, method="auto")
    lost = np.array([status == "unavailable" for status in found.status])
    assert (np.isnan(found.weights).all(axis=1) == lost).all()
    assert np.abs(found.weights[~lost].sum(axis=1) - 1).max(initial=0) < 1e-9
    combined = np.array([status == "combined" for status in found.status])
    assert (found.expected_error_mm[combined] > 0).all()
    return found


def test_twenty_formats_and_nothing_to_lose_on_the_way_to_oneself(cells):
    assert len(set(accuracy_table.FORMATS)) == 20
    assert list(cells) == list(accuracy_table.FORMATS)
    for source, row in cells.items():
        assert list(row) == list(accuracy_table.FORMATS)
        assert row[source] == accuracy_table.Cell(0.0, 0, 0)
        for target, cell in row.items():
            assert 0 <= cell.n_unavailable < len(skeleton_defs.get(target))
            assert 0 <= cell.mean_mm < 60


def test_cells_count_what_a_map_gives():
    smpl, h36m = skeleton_defs.get("smpl_24"), skeleton_defs.get("h36m_17")
    weights = np.zeros((17, 24))
    weights[:, 0] = 1
    weights[15] = np.nan
    error = np.full(17, 10.0)
    error[:2], error[2], error[15] = 0, np.nan, np.nan
    status = ("copied", "copied", "named", *["combined"] * 12, "unavailable", "combined")
    cell = accuracy_table.cell_of(AffineMap(weights, smpl, h36m, status, error))
    assert cell == accuracy_table.Cell(pytest.approx(130 / 15), 1, 1)


def test_the_page_of_the_atlas_has_the_table_that_the_command_gives(cells):
    lines = [line for line in README.read_text(encoding="utf-8").splitlines() if " / " in line]
    shown = {line.split("|")[1].strip(" *"): line.split("|")[2:-1] for line in lines
             if line.startswith("| **")}  # fmt: skip
    assert list(shown) == list(cells)
    for source, texts in shown.items():
        for text, (target, cell) in zip(texts, cells[source].items(), strict=True):
            mean, lost = (int(number) for number in text.split("/"))
            where = f"{source} -> {target}: run tools/accuracy_table.py --update {README}"
            assert abs(mean - cell.mean_mm) <= 1, where
            assert lost == cell.n_unavailable, where


def test_the_command_prints_and_updates(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(accuracy_table, "FORMATS", ("smpl_24", "h36m_17"))
    assert accuracy_table.main(["--json"]) == 0
    numbers = json.loads(capsys.readouterr().out)
    assert numbers["smpl_24"]["smpl_24"] == {"mean_mm": 0.0, "n_unavailable": 0, "n_unknown": 0}
    assert accuracy_table.main([]) == 0
    text = capsys.readouterr().out
    assert text.startswith(
        "| from \\ to | smpl_24 | h36m_17 |\n|---|---|---|\n| **smpl_24** | 0 / 0"
    )
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- accuracy table -->\nold\n<!-- end of accuracy table -->\nafter\n")
    assert accuracy_table.main(["--update", str(page)]) == 0
    new = page.read_text()
    assert "old" not in new and text.partition("\n\n")[0] in new
    assert new.startswith("before\n") and new.endswith("\nafter\n")
    page.write_text("no marks")
    assert accuracy_table.main(["--update", str(page)]) == 1
    assert "expected the lines" in capsys.readouterr().err
    assert page.read_text() == "no marks"


@pytest.mark.parametrize("name", skeleton_defs.list())
def test_every_format_converts_to_and_from_the_usual_ones(name):
    for other in ("smpl_24", "coco_17"):
        assert check(name, other).source.name == name
        assert check(other, name).target.name == name


@pytest.mark.slow
@pytest.mark.parametrize("source", skeleton_defs.list())
def test_every_format_converts_to_every_other(source):
    for target in skeleton_defs.list():
        check(source, target)


def test_the_hand_of_one_handed_formats_is_the_right_one():
    found = check("coco_wholebody_133", "mano_21")
    assert np.nanmax(found.expected_error_mm) < 25 and not found.unavailable
    sides = np.array(found.source.sides)
    assert np.abs(found.weights[:, sides == "left"]).max() < 0.1
    assert np.abs(found.weights[:, sides == "right"].sum(axis=1) - 1).max() < 0.1
    body = check("mano_21", "smpl_24")
    assert {"right_wrist", "right_hand"} <= set(body.target.joints) - set(body.unavailable)
    assert "left_wrist" in body.unavailable
