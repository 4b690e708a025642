"""`skelbridge datasets` and `skelbridge store validate`."""

import json

import pytest
from click.testing import CliRunner
from miniatures import write_miniature

from dataset_adapters import adapter_class, list_adapters
from skelbridge.cli import cli
from skeleton_defs import UserError

NAMES = (
    "muco panoptic aist humbi mpi_inf_3dhp rich behave aspset 3doh50k ikea_asm h36m totalcapture "
    "bmlmovi berkeley_mhad umpm fit3d gpa humansc3d chi3d human4d mads surreal 3dpeople jta hspace "
    "sailvos agora spec coco mpii posetrack jrdb 3dpw mupots amass h3wb ntu_rgbd custom"
).split()


def run(*arguments):
    result = CliRunner().invoke(cli, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_list_shows_exactly_the_known_datasets():
    rows = json.loads(run("datasets", "list", "--json").output)
    assert [row["name"] for row in rows] == NAMES and len(NAMES) == 38
    text = run("datasets", "list").output
    assert [line.split()[0] for line in text.splitlines()] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_pages_say_what_a_user_needs(name):
    info = adapter_class(name).info
    page = run("datasets", "show", name).output
    for part in (info.title, info.licence, info.skeletons[0].split()[0], "What to download"):
        assert " ".join(part.split()) in " ".join(page.split())
    assert max(map(len, page.splitlines())) <= 110
    assert all(word in page for word in info.splits)
    # What a dataset is known to get wrong is told, with what is done about it.
    assert name == "custom" or (info.defects and "Known defects" in page)


def test_unknown_names_are_explained():
    with pytest.raises(Exception, match="did you mean h36m"):
        run("datasets", "show", "h36")


def test_check_tells_what_is_missing(tmp_path):
    result = run("datasets", "check", "h36m", "--root", str(tmp_path))
    assert result.exit_code == 2
    assert "MISSING" in result.output and "Videos_S<n>.tgz" in result.output


def test_template_can_be_prepared_and_validated(tmp_path):
    root, store = str(tmp_path / "mine"), str(tmp_path / "store")
    assert "wrote" in run("datasets", "template", "custom", root).output
    assert run("datasets", "check", "custom", "--root", root).exit_code == 0
    assert run("prepare", "custom", "--root", root, "--store", store).exit_code == 0
    result = run("store", "validate", store, "--sheet", str(tmp_path / "sheet.png"))
    assert result.exit_code == 0, result.output
    assert (tmp_path / "sheet.png").stat().st_size > 1000
    with pytest.raises(Exception, match="expected a new or empty folder"):
        run("datasets", "template", "custom", root)


def test_two_datasets_in_one_store(tmp_path):
    for name in ("gpa", "mupots"):
        (tmp_path / name).mkdir()
        write_miniature(name, tmp_path / name)
        root, store = str(tmp_path / name), str(tmp_path / "store")
        assert run("prepare", name, "--root", root, "--store", store).exit_code == 0
    result = run("store", "validate", store, "--json")
    report = json.loads(result.output)
    assert result.exit_code == 0 and report["clean"]
    assert {group["dataset"] for group in report["groups"]} == {"gpa", "mupots"}


def test_adapters_are_listed_once():
    assert len(set(list_adapters())) == len(list_adapters())


def test_a_folder_without_the_dataset_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="found none of its files, such as S"):
        run("prepare", "h36m", "--root", str(tmp_path / "empty"), "--store", str(tmp_path / "s"))
    assert not (tmp_path / "s").exists()
