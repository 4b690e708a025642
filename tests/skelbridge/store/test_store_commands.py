"""The commands `prepare` and `store` on miniatures."""

import json

import pytest
from click.testing import CliRunner
from miniatures import write_miniature

from skelbridge.cli.prepare_command import prepare
from skelbridge.cli.store_command import store
from skelbridge.store import open_store
from skelbridge.store.adapter_options import adapter_from_texts
from skeleton_defs import UserError


def run(command, *arguments):
    result = CliRunner().invoke(command, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def h36m(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "h36m"
    root.mkdir()
    write_miniature("h36m", root)
    return root


def test_two_datasets_into_one_store(h36m, tmp_path):
    path = tmp_path / "store"
    said = run(prepare, "h36m", "--root", h36m, "--store", path, "--split", "train")
    assert "h36m     train  h36m_25" in said and "dropped: thinned to one frame in 5" in said
    assert "files written in" in said
    (tmp_path / "mads").mkdir()
    write_miniature("mads", tmp_path / "mads")
    run(prepare, "mads", "--root", tmp_path / "mads", "--store", path, "--limit", 4)
    said = run(prepare, "h36m", "--root", h36m, "--store", path, "--split", "train")
    assert "was finished before" in said
    groups = {(g.dataset, g.split): len(r) for g, r in open_store(path).groups.items()}
    assert groups["mads", "train"] == 4 and groups["h36m", "train"] > 0
    said = run(store, "info", path, "--verify")
    assert "have the checksums" in said and "mads" in said and "examples," in said
    facts = json.loads(run(store, "info", path, "--json"))
    assert facts["datasets"]["h36m"]["splits"]["train"]["shards"] > 0
    assert set(facts["datasets"]) == {"h36m", "mads"}


def test_merge(h36m, tmp_path):
    for split in ("train", "test"):
        run(prepare, "h36m", "--root", h36m, "--store", tmp_path / split, "--split", split,
            "--option", "skeleton=h36m_17", "--images", "reference", "--no-thinning")  # fmt: skip
    said = run(store, "merge", tmp_path / "train", tmp_path / "test", "-o", tmp_path / "both")
    assert said.count("h36m_17") == 2
    assert len(open_store(tmp_path / "both")) == sum(
        len(open_store(tmp_path / split)) for split in ("train", "test")
    )


def test_options_of_adapters_as_texts():
    adapter = adapter_from_texts("h36m", ["skeleton=h36m_17", "correct-s9=no"])
    assert adapter.skeleton == "h36m_17" and adapter.correct_s9 is False
    assert adapter_from_texts("bmlmovi", ["max_roll=3.5"]).max_roll == 3.5
    assert adapter_from_texts("mpi_inf_3dhp", ["min_joints_inside=4"]).min_joints_inside == 4


@pytest.mark.parametrize(
    "name, text, fragment",
    [
        ("h36m", "skeleton", "must be KEY=VALUE"),
        ("h36m", "colour=red", "h36m has no option 'colour'"),
        ("h36m", "correct_s9=maybe", "correct_s9 must be true or false"),
        ("bmlmovi", "max_roll=x", "max_roll must be a number"),
        ("mpi_inf_3dhp", "min_joints_inside=1.5", "min_joints_inside must be a whole number"),
        ("h37m", "a=b", "did you mean h36m"),
    ],
)
def test_wrong_options_of_adapters(name, text, fragment):
    with pytest.raises(UserError, match=fragment):
        adapter_from_texts(name, [text])


def test_help_names_every_option():
    said = run(prepare, "--help")
    for name in (
        "--workers",
        "--scheduler",
        "--max-box-px",
        "--limit",
        "--boxes",
        "--max-bad-files",
    ):
        assert name in said
