"""`skelbridge acae` on files, and the report."""

import json

import acae_poses
import numpy as np
import pytest
from click.testing import CliRunner

from dataset_adapters.containers import FileError
from skelbridge.acae import Acae, FitOptions
from skelbridge.acae.files import fit_file
from skelbridge.acae.joint_names import JointNames, bones_of, formats_among, groups_of, part_rank
from skelbridge.acae.reading import read_poses, registry_of
from skelbridge.acae.report import joint_order, latent_names, latent_order
from skelbridge.acae.report_page import write_report
from skelbridge.cli.acae_command import acae
from skeleton_defs import JointRegistry, UserError

FORMATS = "smpl_24,h36m_17"
REGISTRY = JointRegistry(FORMATS.split(","))
QUICK = ["--seeds", "1", "--steps", "20"]


@pytest.fixture(scope="module")
def poses():
    return acae_poses.make_poses(acae_poses.formats_of(REGISTRY), 400, seed=0)


@pytest.fixture
def folder(tmp_path, monkeypatch, poses):
    """An empty folder with poses.npz, which is also the working one."""
    monkeypatch.chdir(tmp_path)
    np.savez("poses.npz", poses=poses)
    return tmp_path


@pytest.fixture(scope="module")
def model(tmp_path_factory, poses):
    """A fitted file."""
    folder = tmp_path_factory.mktemp("acae")
    np.savez(folder / "poses.npz", poses=poses)
    options = FitOptions(seeds=1, steps=20)
    fit_file(folder / "poses.npz", folder / "a.npz", registry=FORMATS, options=options)
    return folder / "a.npz"


def run(*arguments):
    return CliRunner().invoke(acae, [str(a) for a in arguments], catch_exceptions=False)


def test_fit_writes_a_model_and_a_report(folder):
    done = run("fit", "poses.npz", "--registry", FORMATS, "-o", "a.npz", "--report", "a.html",
               "--latents", "16", *QUICK)  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "wrote a.npz and a.html" in done.output
    assert "h36m_17" in done.output
    model = Acae.load("a.npz")
    assert model.joint_names == REGISTRY.names
    assert model.latents == 16
    assert model.facts["formats"] == FORMATS.split(",")
    page = (folder / "a.html").read_text()
    assert page.count("<h2>") == 4
    assert "Latent points on a body" in page
    assert sorted(p.name for p in folder.iterdir()) == ["a.html", "a.npz", "poses.npz"]


def test_numbers_of_latents(folder):
    run("fit", "poses.npz", "--registry", FORMATS, "--sided", "10", "--center", "3", *QUICK)
    model = Acae.load("acae.npz")
    assert model.latent_sides.count("left") == 5
    assert model.latent_sides.count("centre") == 3


def test_info_and_show(model, tmp_path):
    told = run("info", model).output
    assert f"{len(REGISTRY)} joints" in told
    assert "reconstruction error" in told
    facts = json.loads(run("info", model, "--json").output)
    assert facts["formats"]["smpl_24"]["joints"] == 24
    assert facts["facts"]["lambda"] == 0.6
    listed = run("show", model).output.splitlines()
    assert len(listed) == 1 + facts["latents"]
    drawn = run("show", model, "-o", tmp_path / "a.png")
    assert drawn.exit_code == 0
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_names_from_the_file_and_from_a_list(folder, poses):
    np.savez("named.npz", poses=poses, joint_names=np.array(REGISTRY.names))
    (folder / "names.txt").write_text("\n".join(REGISTRY.names))
    options = FitOptions(seeds=1, steps=5, latents=10)
    made = [
        fit_file("named.npz", "b.npz", options=options).acae,
        fit_file("poses.npz", "c.npz", registry="names.txt", options=options).acae,
        fit_file("poses.npz", "d.npz", registry=FORMATS, options=options).acae,
    ]
    for other in made[1:]:
        np.testing.assert_array_equal(made[0].w1, other.w1)
        np.testing.assert_array_equal(made[0].flip, other.flip)


def test_poses_without_names_are_fitted_without_symmetry(folder, poses):
    np.save("poses.npy", poses.reshape(2, 200, *poses.shape[1:]))
    fit = fit_file("poses.npy", "a.npz", options=FitOptions(seeds=1, steps=5, latents=10))
    assert any("without mirror symmetry" in note for note in fit.notes)
    assert Acae.load("a.npz").latent_sides is None
    assert "joint 0" in " ".join(latent_names(fit.acae)) or fit.acae.joint_names is None
    write_report("a.html", fit.acae, title="<b>")
    assert "&lt;b&gt;" in (folder / "a.html").read_text()


def test_depths_behind_the_camera_propose_the_plain_loss(folder, poses):
    np.savez("turned.npz", poses=poses - [0, 0, 5000])
    with pytest.raises(FileError, match="turned.npz: the projected loss needs .*--loss plain"):
        fit_file("turned.npz", "a.npz", registry=FORMATS)
    options = FitOptions(loss="plain", seeds=1, steps=5)
    assert fit_file("turned.npz", "a.npz", registry=FORMATS, options=options).acae.joints == 41


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing.npz"], "No such file"),
        (["poses.npz", "--registry", "smpl_24"], "expected 24 joints as --registry says, found 41"),
        (["poses.npz", "--registry", "smpl_42"], "smpl_42"),
        (["poses.npz", "--registry", ","], "found none"),
        (["poses.npz", "--key", "x"], "expected an array 'x'.*found the arrays poses"),
        (["poses.npz", "--latents", "99"], "from 1 to the number of joints"),
        (["poses.npz", "-o", "poses.npz"], "these are the poses to fit to"),
        (["poses.npz", "--report", "a.pdf"], ".html or .png"),
        (["poses.npz", "-o", "a.txt"], "an ACAE is an .npz file"),
        (["poses.npz", "-o", "no/a.npz"], "folder does not exist"),
        (["poses.npz", "--report", "no/a.html"], "folder does not exist"),
        (["poses.npz", "--lambda", "-1"], "lambda"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(folder, arguments, message):
    with pytest.raises(UserError, match=message) as caught:
        run("fit", *arguments)
    assert "\n" not in str(caught.value)
    assert [p.name for p in folder.iterdir()] == ["poses.npz"]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"poses": np.zeros((4, 3))}, r"expected numbers of shape \(N, J, 3\)"),
        ({"poses": np.zeros((4, 3, 2))}, "expected numbers of shape"),
        ({"poses": np.zeros((4, 3, 3)), "joint_names": np.array(["a"])}, "expected 3 texts"),
        ({"poses": np.zeros((4, 3, 3)), "joint_names": np.array(["a", "a", "b"])}, "given twice"),
        ({"poses": np.zeros((4, 1, 3)), "joint_names": np.array(["smpl:left_knee"])}, "partner"),
        ({"other": np.zeros(3)}, "expected an array 'poses' or 'positions'"),
    ],
)
def test_pose_files_that_do_not_fit(tmp_path, arrays, message):
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(FileError, match=message):
        read_poses(tmp_path / "bad.npz")


def test_lists_of_names(tmp_path):
    path = tmp_path / "names.txt"
    path.write_text("# ours\nmine:a\n\nmine:b\n")
    names = registry_of(str(path))
    assert names.names == ("mine:a", "mine:b")
    assert names.flip is None
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(FileError, match="text file"):
        registry_of(str(path))
    path.write_text("\n")
    with pytest.raises(FileError, match="found 0"):
        registry_of(str(path))


def test_names_of_our_definitions_know_their_mirror():
    found = JointNames.of_names(REGISTRY.names)
    np.testing.assert_array_equal(found.flip, REGISTRY.flip)
    assert found.sides == REGISTRY.sides


def test_names_tell_the_formats():
    """Once each, whatever datasets share its joints; the rest by family."""
    formats = formats_among(REGISTRY.names)
    assert {"smpl_24", "h36m_17"} <= set(formats)
    assert not {"surreal_24", "h36m_17_posepile", "h36m_25", "coco_17"} & set(formats)
    names = [*REGISTRY.names, "coco:nose", "mine"]
    groups = groups_of(names, ["smpl_24", "h36m_17"])
    assert list(groups) == ["smpl_24", "h36m_17", "coco", "all joints"]
    assert groups["smpl_24"] == list(REGISTRY.indices("smpl_24"))
    assert groups["coco"] == [len(names) - 2]
    assert len(bones_of(names, formats)) >= 23 + 16


def test_heat_maps_go_from_head_to_toe(model):
    loaded = Acae.load(model)
    joints = joint_order(loaded)
    assert sorted(joints) == list(range(loaded.joints))
    names = [loaded.joint_names[i] for i in joints]
    assert (
        names.index("smpl:head_smpl")
        < names.index("smpl:left_knee")
        < names.index("smpl:left_toe_base_smpl")
    )
    assert sorted(latent_order(loaded, joints)) == list(range(loaded.latents))
    assert part_rank("left_hip") < part_rank("right_knee") < part_rank("")


def test_reports_are_pages_or_pictures(model, tmp_path):
    with pytest.raises(UserError, match=".html or .png"):
        write_report(tmp_path / "a.pdf", Acae.load(model), title="x")
    with pytest.raises(FileError, match="cannot be written"):
        write_report(tmp_path / "no" / "a.html", Acae.load(model), title="x")


def test_published_files_can_be_looked_at(tmp_path):
    path = tmp_path / "published.npz"
    np.savez(path, w1=np.ones((3, 2)) / 3, w2=np.ones((2, 3)) / 2)
    assert "cannot convert" in run("info", path).output
    assert run("show", path).exit_code == 0
    for name in ("a.html", "a.png"):
        assert run("show", path, "-o", tmp_path / name).exit_code == 0
