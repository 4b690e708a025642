import json

import pytest
from click.testing import CliRunner

import skeleton_defs
from skelbridge.cli import cli


def run(*arguments):
    result = CliRunner().invoke(cli, list(arguments))
    assert result.exit_code == 0, result.output
    return result.output


def test_formats_json_lists_all():
    listed = json.loads(run("formats", "--json"))
    assert len(listed) >= 91
    names = [row["name"] for row in listed]
    assert names == skeleton_defs.list()
    smpl = next(row for row in listed if row["name"] == "smpl_24")
    assert smpl["joints"] == 24 and "smpl" in smpl["aliases"] and "3DPW" in smpl["datasets"]


def test_formats_table_and_pattern():
    lines = run("formats", "h36m*").splitlines()
    assert lines[0].split()[:3] == ["name", "joints", "dims"]
    assert [line.split()[0] for line in lines[1:]] == skeleton_defs.list("h36m*")


@pytest.mark.parametrize("name", [*skeleton_defs.list(), *skeleton_defs.format_aliases()])
def test_show_works_for_every_format_and_alias(name):
    skeleton = skeleton_defs.get(name)
    text = run("show", name)
    lines = text.splitlines()
    assert lines[0].startswith(f"{skeleton.name}: {len(skeleton)} joints")
    rows = [
        line.split(None, 2) for line in lines if line[:1].isdigit() and line[0:3].strip().isdigit()
    ]
    assert [int(row[0]) for row in rows] == list(range(len(skeleton)))
    for source in skeleton.source:
        assert source in text


def test_show_json_is_the_definition():
    shown = json.loads(run("show", "smpl", "--json"))
    assert skeleton_defs.Skeleton.from_dict(shown) == skeleton_defs.get("smpl")
    assert shown["rest_pose_m"][0] == skeleton_defs.get("smpl").rest_pose[0].tolist()
