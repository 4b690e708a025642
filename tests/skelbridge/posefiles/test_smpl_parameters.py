"""Body model parameter files, real and minimal, as joint positions."""

import pickle

import numpy as np
import pytest
from fuzzing import assert_result_or_user_error, mutations
from scipy.spatial.transform import Rotation

from dataset_adapters.body_models.model_file import BodyModel
from dataset_adapters.body_models.smpl_family import FAMILIES, neutral_rest_joints
from dataset_adapters.containers.errors import FileError
from dataset_adapters.containers.npz import open_npz
from dataset_adapters.containers.safe_pickle import load_object_npz, load_pickle
from skelbridge.posefiles.smpl_parameters import (
    matches,
    parameter_sets,
    poses_from_parameters,
    poses_from_pose_vectors,
    poses_of_people,
)

RNG = np.random.default_rng(11)


def read_pickle(path, data: bytes | None = None):
    return poses_of_people(path, load_pickle(path, data))


def random_pose(n_rotations: int, n_frames: int = 3) -> np.ndarray:
    """Axis-angle vectors `(n_frames, n_rotations, 3)`."""
    return Rotation.random(n_frames * n_rotations, rng=RNG).as_rotvec().reshape(n_frames, -1, 3)


def amass(n_frames: int = 2) -> dict[str, np.ndarray]:
    """A minimal file of AMASS's SMPL+H release: a person who stands."""
    poses = np.zeros((n_frames, 156))
    poses[:, 0] = 1.57
    return {
        "poses": poses,
        "trans": np.tile([0.0, 0.0, 0.95], (n_frames, 1)),
        "betas": np.zeros(16),
        "dmpls": np.zeros((n_frames, 8)),
        "gender": np.array("female"),
        "mocap_framerate": np.array(120.0),
    }


def toy_model(name: str) -> BodyModel:
    n_joints = FAMILIES[name].n_joints
    rng = np.random.default_rng(5)
    return BodyModel(
        FAMILIES[name], rng.normal(size=(n_joints, 3)), rng.normal(size=(n_joints, 3, 4))
    )


def chain(rotvecs, rest, parents, translation=0.0) -> np.ndarray:
    """One pose, each joint by walking up to the root with scipy's rotations."""
    rotations = Rotation.from_rotvec(rotvecs)
    joints = []
    for joint in range(len(parents)):
        place, at = np.zeros(3), joint
        while parents[at] >= 0:
            place = rotations[parents[at]].apply(place + rest[at] - rest[parents[at]])
            at = parents[at]
        joints.append(place + rest[at] + translation)
    return np.array(joints)


def test_amass_stands_upright_on_the_z_axis():
    arrays = amass()
    assert matches(arrays)
    poses = poses_from_parameters("a.npz", arrays)
    assert poses.positions.shape == (2, 24, 3)
    assert (poses.skeleton, poses.units, poses.up, poses.fps) == ("smpl_24", "m", "z", 120.0)
    head, pelvis, foot = (poses.positions[0, poses.joint_names.index(n)] for n in (
        "head", "pelvis", "left_ankle"
    ))  # fmt: skip
    # Pelvis: the rest pelvis + trans; a quarter turn about x takes the body's y to the world's z.
    np.testing.assert_allclose(pelvis, [-0.0018, -0.2233, 0.9782], atol=1e-6)
    assert head[2] - pelvis[2] == pytest.approx(0.576, abs=1e-3)
    assert foot[2] - pelvis[2] == pytest.approx(-0.8646, abs=1e-3)
    assert poses.extras["gender"] == "female" and poses.extras["body_model"] == "smplh"
    assert poses.extras["betas"].shape == (1, 16) and poses.extras["dmpls"].shape == (2, 8)
    assert any("z up" in note for note in poses.notes)
    assert any("may be off by about 25 mm" in note for note in poses.notes)


@pytest.mark.parametrize("gender", [np.array(b"female"), np.array("female"), "female", b"female"])
def test_gender_may_be_bytes(gender):
    assert poses_from_parameters("a", {**amass(), "gender": gender}).extras["gender"] == "female"


def smplx_release(n_frames: int = 3) -> dict[str, np.ndarray]:
    """AMASS's *_stageii.npz: everything twice."""
    parts = {
        "root_orient": 1, "pose_body": 21, "pose_jaw": 1, "pose_eye": 2, "pose_hand": 30,
    }  # fmt: skip
    arrays = {key: random_pose(n, n_frames).reshape(n_frames, -1) for key, n in parts.items()}
    return {
        **arrays,
        "poses": np.concatenate(list(arrays.values()), axis=1),
        "trans": RNG.normal(size=(n_frames, 3)),
        "betas": RNG.normal(size=16),
        "gender": np.array("neutral"),
        "surface_model_type": np.array("smplx"),
        "mocap_frame_rate": np.array(59.9),
    }


@pytest.mark.parametrize("form", ["whole", "pieces"])
def test_smplx_release_with_its_model(form):
    arrays, model = smplx_release(), toy_model("smplx")
    if form == "pieces":
        whole = arrays.pop("poses")
    else:
        whole = arrays["poses"]
    poses = poses_from_parameters("a_stageii.npz", arrays, body_model=model)
    rest = model.rest_joints(arrays["betas"][:4])
    for frame in range(3):
        expected = chain(
            whole[frame].reshape(55, 3), rest, model.family.parents, arrays["trans"][frame]
        )
        np.testing.assert_allclose(poses.positions[frame], expected, atol=1e-12)
    assert (poses.skeleton, poses.fps, poses.up) == ("smplx_55", 59.9, "z")
    assert poses.notes[-1].startswith("the first 4 of 16 betas were used")
    assert str(poses.extras["surface_model_type"]) == "smplx"
    assert "pose_body" not in poses.extras


def test_smplx_without_its_model_is_an_approximation_and_says_so():
    arrays = smplx_release()
    poses = poses_from_parameters("a", arrays)
    assert poses.skeleton == "smpl_24" and poses.positions.shape == (3, 24, 3)
    assert "SMPL-X parameters on the SMPL skeleton, an approximation" in poses.notes[-1]
    body = np.zeros((24, 3))
    body[:22] = arrays["poses"][1, :66].reshape(22, 3)
    expected = chain(body, neutral_rest_joints(), FAMILIES["smpl"].parents, arrays["trans"][1])
    np.testing.assert_allclose(poses.positions[1], expected, atol=1e-12)


def _smpl_forms() -> dict[str, dict[str, np.ndarray]]:
    pose, betas, trans = random_pose(24), RNG.normal(size=(3, 10)), RNG.normal(size=(3, 3))
    flat = pose.reshape(3, 72)
    matrices = Rotation.from_rotvec(pose.reshape(-1, 3)).as_matrix().reshape(3, 24, 3, 3)
    rest = {"betas": betas, "trans": trans}
    forms = {
        "72 columns": {"pose": flat, **rest},
        "thetas": {"smpl_thetas": flat, "smpl_betas": betas, "transl": trans},
        "per joint": {"poses": pose, **rest},
        "matrices": {"pose": matrices, **rest},
        "69 columns and orientation": {
            "body_pose": flat[:, 3:], "global_orient": flat[:, :3], **rest
        },
        "orientation as matrices": {
            "body_pose": matrices[:, 1:], "global_orient": matrices[:, 0], **rest
        },
        "orientation as one matrix per frame": {
            "body_pose": pose[:, 1:], "global_orient": matrices[:, :1], **rest
        },
        "66 columns": {"poses": flat[:, :66], **rest},
        "63 columns and orientation": {
            "pose_body": flat[:, 3:66], "root_orient": flat[:, :3], **rest
        },
        "float32": {"pose": flat.astype(np.float32), **rest},
        "centimetres of AIST++": {
            "smpl_poses": pose, "smpl_trans": trans * 94.0, "smpl_scaling": np.array([94.0])
        },
        "translation with a joint axis": {**rest, "pose": flat, "trans": trans[:, None]},
    }  # fmt: skip
    expected = [
        chain(pose[i], neutral_rest_joints(), FAMILIES["smpl"].parents, trans[i]) for i in range(3)
    ]
    return {name: (arrays, np.array(expected)) for name, arrays in forms.items()}


SMPL_FORMS = _smpl_forms()


@pytest.mark.parametrize("name", SMPL_FORMS)
def test_one_pose_in_all_its_forms(name):
    arrays, expected = SMPL_FORMS[name]
    assert matches(arrays)
    poses = poses_from_parameters("a", arrays)
    np.testing.assert_allclose(poses.positions, expected, atol=1e-6)
    assert (poses.skeleton, poses.units, poses.up) == ("smpl_24", "m", None)


@pytest.mark.parametrize("form", ["flat", "matrices"])
def test_one_pose_without_a_frame_axis(form):
    pose = random_pose(24, 1)
    arrays = {"pose": pose.reshape(72), "betas": np.ones(10), "trans": np.ones(3)}
    if form == "matrices":  # as AGORA's predictions
        matrices = Rotation.from_rotvec(pose[0]).as_matrix()[None]
        arrays = {"global_orient": matrices[:, :1], "body_pose": matrices[:, 1:],
                  "betas": np.ones((1, 10)), "transl": np.ones((1, 3))}  # fmt: skip
    expected = chain(pose[0], neutral_rest_joints(), FAMILIES["smpl"].parents, 1.0)
    np.testing.assert_allclose(
        poses_from_parameters("a", arrays).positions, expected[None], atol=1e-9
    )


def test_body_pose_alone_is_upright_and_says_so():
    poses = poses_from_parameters("a", {"body_pose": np.zeros((1, 69)), "betas": np.zeros(10)})
    np.testing.assert_allclose(poses.positions[0], neutral_rest_joints())
    assert "no root orientation beside 'body_pose': taken as zero" in poses.notes


def test_a_model_may_be_given_by_its_file(tmp_path):
    regressor = np.eye(24, 30)
    template, directions = RNG.normal(size=(30, 3)), RNG.normal(size=(30, 3, 10))
    np.savez(
        tmp_path / "SMPL_NEUTRAL.npz",
        v_template=template,
        shapedirs=directions,
        J_regressor=regressor,
        kintree_table=np.array([FAMILIES["smpl"].parents, range(24)]),
    )
    arrays = {"pose": np.zeros((2, 72)), "betas": np.full(10, 0.5)}
    poses = poses_from_parameters("a", arrays, body_model=tmp_path / "SMPL_NEUTRAL.npz")
    expected = template[:24] + 0.5 * directions[:24].sum(axis=2)
    np.testing.assert_allclose(poses.positions, [expected, expected], atol=1e-12)


def test_shape_of_each_frame_with_a_model():
    model, pose = toy_model("smpl"), random_pose(24)
    betas = RNG.normal(size=(3, 4))
    poses = poses_from_parameters("a", {"pose": pose, "betas": betas}, body_model=model)
    for frame in range(3):
        expected = chain(pose[frame], model.rest_joints(betas[frame]), model.family.parents)
        np.testing.assert_allclose(poses.positions[frame], expected, atol=1e-12)
    assert not poses.notes


def test_many_frames_are_posed_in_chunks():
    pose, model = random_pose(24, 5000), toy_model("smpl")
    betas, trans = RNG.normal(size=(5000, 4)), RNG.normal(size=(5000, 3))
    arrays = {"pose": pose, "betas": betas, "trans": trans}
    poses = poses_from_parameters("a", arrays, body_model=model)
    for frame in (0, 2047, 2048, 4999):
        expected = chain(
            pose[frame], model.rest_joints(betas[frame]), model.family.parents, trans[frame]
        )
        np.testing.assert_allclose(poses.positions[frame], expected, atol=1e-12)


def test_fingers_that_the_file_does_not_have_are_missing():
    model, pose = toy_model("smplh"), random_pose(24, 1)
    poses = poses_from_parameters("a", {"pose": pose}, body_model=model)
    missing = np.isnan(poses.positions[0]).any(axis=1)
    names = [n for n, gone in zip(poses.joint_names, missing, strict=True) if gone]
    assert len(names) == 20 and all(name[-1] in "23" for name in names)
    assert "smpl on a body model of smplh" in poses.notes[-1]
    known = chain(np.vstack([pose[0, :22], np.zeros((30, 3))]), model.template_joints,
                  model.family.parents)  # fmt: skip
    np.testing.assert_allclose(poses.positions[0, ~missing], known[~missing], atol=1e-12)


def test_hands_in_pca_form_are_left_out():
    arrays = {
        "body_pose": np.zeros((2, 63)), "global_orient": np.zeros((2, 3)),
        "left_hand_pose": np.zeros((2, 6)), "right_hand_pose": np.zeros((2, 45)),
    }  # fmt: skip
    poses = poses_from_parameters("a", arrays, body_model=toy_model("smplh"))
    assert "'left_hand_pose' of shape (2, 6) is not 15 rotations: left out" in poses.notes
    missing = np.isnan(poses.positions[0]).any(axis=1)
    names = [n for n, gone in zip(poses.joint_names, missing, strict=True) if gone]
    assert len(names) == 10 and all(name.startswith("left") for name in names)


@pytest.mark.parametrize(
    "arrays",
    [
        {"pose": np.zeros((4, 15, 2))},
        {"poses": np.zeros((4, 24, 3))},  # positions as likely as not
        {"poses": np.zeros((4, 66))},
        {"pose": np.zeros((4, 80)), "betas": np.zeros(10)},
        {"positions": np.zeros((4, 24, 3)), "fps": np.array(30.0)},
        {"body_pose_params": np.zeros(133), "shape_params": np.zeros(45)},
        {"pose": np.array(["x"]), "gender": np.array("x")},
        {},
    ],
)
def test_other_files_do_not_match(arrays):
    assert not matches(arrays)


def _changed(**changes):
    return {**amass(), **changes}


def _spoiled(frame, column, value):
    poses = amass()["poses"]
    poses[frame, column] = value
    return _changed(poses=poses)


BAD = {
    "width": (_changed(poses=np.zeros((2, 100))), "'poses': expected body model parameters of 63"),
    "no pose": ({"trans": np.zeros((2, 3))}, "expected the pose of a body model"),
    "shape file": ({"betas": np.zeros(16), "gender": np.array("male")}, "a body shape only"),
    "not finite": (_spoiled(1, 58, np.nan), "for right_elbow in frame 1"),
    "degrees": (_spoiled(1, 3, 45.0), "found [45.0, 0.0, 0.0] for left_hip in frame 1"),
    "huge": (_spoiled(0, 0, 1e300), "found [1e+300, 0.0, 0.0] for pelvis in frame 0"),
    "mirror": (
        {"pose": np.tile(np.diag([1.0, 1, -1]), (1, 24, 1, 1))}, "for pelvis in frame 0"
    ),
    "frames of trans": (_changed(trans=np.zeros((3, 3))), "'trans': expected shape (2, 3), found"),
    "trans": (_changed(trans=np.full((2, 3), np.inf)), "'trans': expected metres, found [inf"),
    "frames of orientation": (
        {"body_pose": np.zeros((2, 69)), "global_orient": np.zeros((3, 3))},
        "expected as many frames in 'global_orient' as in 'body_pose' (2), found 3",
    ),
    "orientation": (
        {"body_pose": np.zeros((2, 69)), "global_orient": np.zeros((2, 4))},
        "'global_orient': expected 1 rotations per frame, found shape (2, 4)",
    ),
    "no frames": (_changed(poses=np.zeros((0, 156))), "'poses': expected at least one frame"),
    "betas": (_changed(betas=np.zeros((5, 16))), "'betas': expected shape coefficients (n,) or (2"),
    "many betas": (_changed(betas=np.zeros(500)), "with n up to 400"),
    "betas not finite": (_changed(betas=np.full(16, np.nan)), "found values that are none"),
    "rate": (_changed(mocap_framerate=np.array(0.0)), "'mocap_framerate': expected a positive"),
    "rates": (_changed(mocap_framerate=np.zeros(2)), "'mocap_framerate': expected one number"),
    "rate of text": (_changed(mocap_framerate=np.array("x")), "expected one number, found dtype"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_parameters_are_refused(name):
    arrays, message = BAD[name]
    with pytest.raises(FileError) as error:
        poses_from_parameters("bad.npz", arrays)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_shape_files_of_amass_match_so_that_they_can_be_explained():
    arrays = {"betas": np.zeros(16), "gender": np.array("male")}
    assert matches(arrays)
    with pytest.raises(FileError, match=r"give the \*_poses\.npz or \*_stageii\.npz beside it"):
        poses_from_parameters("shape.npz", arrays)


def test_python_objects_in_an_npz_are_left_out(tmp_path):
    objects = np.array({"a": 1}, dtype=object)
    np.savez(tmp_path / "a_stageii.npz", **smplx_release(), markers_latent_vids=objects)
    with open_npz(tmp_path / "a_stageii.npz") as arrays:
        assert matches(arrays)
        poses = poses_from_parameters("a_stageii.npz", arrays)
    assert "left out, as they hold Python objects: markers_latent_vids" in poses.notes
    assert poses.positions.shape == (3, 24, 3)


def test_pickles_of_one_person_and_of_several():
    one = {"pose": np.zeros(156), "betas": np.zeros(10), "trans": [0.1, 0.2, 2.3]}
    one["trans"] = np.array(one["trans"])  # BEHAVE's person_fit.pkl
    poses = read_pickle("person_fit.pkl", pickle.dumps(one, protocol=2))
    np.testing.assert_allclose(poses.positions[0], neutral_rest_joints() + one["trans"])

    trans = RNG.normal(size=(2, 4, 3))
    by_person = {
        "sequence": "downtown", "trans": list(trans),
        "poses": [np.zeros((4, 72)), np.zeros((4, 72))],
        "betas": [np.zeros(10)] * 2, "genders": ["m", "f"], "cam_poses": np.zeros((4, 4, 4)),
    }  # fmt: skip
    people = [{"pose": np.zeros((4, 72)), "betas": np.zeros((4, 10)), "trans": t} for t in trans]
    for tree in (by_person, people, {1: people[0], 7: people[1]}):
        poses = read_pickle("x.pkl", pickle.dumps(tree, protocol=2))
        assert poses.leading == ("frame", "person")
        expected = neutral_rest_joints() + trans.swapaxes(0, 1)[:, :, None]
        np.testing.assert_allclose(poses.positions, expected)
    assert len(parameter_sets(by_person)) == 2
    shared = [{"pose": people[0]["pose"], "trans": t} for t in trans]
    with pytest.raises(FileError, match="a pose array of its own for each person"):
        read_pickle("x.pkl", pickle.dumps(shared))
    poses = read_pickle("x.pkl", pickle.dumps(by_person))
    assert (poses.extras["gender_0"], poses.extras["gender_1"]) == ("m", "f")


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ([], "expected a dictionary of body model parameters"),
        ({"a": 1}, "expected a dictionary of body model parameters"),
        ({"poses": [np.zeros((2, 3))]}, "expected a dictionary of body model parameters"),
        ([{"pose": np.zeros((n, 72))} for n in (2, 3)], "same number of frames, found 2 to 3"),
    ],
)
def test_pickles_without_parameters_are_refused(tree, message):
    with pytest.raises(FileError, match=message):
        read_pickle("x.pkl", pickle.dumps(tree))


@pytest.mark.parametrize("name", ["mosh/test_mosh.npz", "h36m/test_h36m.npz"])
def test_real_parameters_of_mmpose(samples, name):
    with open_npz(samples / "mmpose_tests" / name) as arrays:
        assert matches(arrays)
        poses = poses_from_parameters(name, arrays)
        expected = [
            chain(pose.reshape(24, 3), neutral_rest_joints(), FAMILIES["smpl"].parents)
            for pose in arrays["pose"]
        ]
    np.testing.assert_allclose(poses.positions, expected, atol=1e-12)
    assert poses.extras["betas"].shape == (4, 10)


def test_other_real_npz_do_not_match(samples):
    for name in ("mmpose_tests/h36m/test_h36m_body3d", "mhr_sam3d/sam3d_body_outputs/img_subj00"):
        with open_npz(samples / f"{name}.npz") as arrays:
            assert not matches(arrays)


def test_real_smplx_pose_vectors(samples):
    vectors = np.load(samples / "mhr_sam3d/example_smplx_poses.npy")
    poses = poses_from_pose_vectors("example_smplx_poses.npy", vectors)
    assert poses.positions.shape == (8, 24, 3) and poses.extras["body_model"] == "smplx"
    # The file's root turns the body's y axis to z; nothing in it says so.
    assert poses.up is None and (poses.positions[:, 15, 2] > poses.positions[:, 0, 2]).all()


def test_real_glamr_result(samples):
    poses = read_pickle(samples / "aitviewer_results/glamr/running_seed1.pkl")
    assert poses.positions.shape == (203, 24, 3) and poses.leading == ("frame",)
    assert poses.up == "z" and poses.extras["kp_2d"].shape == (203, 26, 2)
    np.testing.assert_allclose(poses.positions[0, 0], [-0.03105, 0.0271, 0.84835], atol=1e-5)
    assert (poses.positions[:, 15, 2] - poses.positions[:, 0, 2]).mean() > 0.5
    # A runner's lower ankle stays near the floor.
    assert np.abs(poses.positions[:, [7, 8], 2].min(axis=1)).mean() < 0.15


def test_real_romp_result(samples):
    tree = load_object_npz(samples / "aitviewer_results/romp/romp_output.npz", "results")
    poses = poses_of_people("romp_output.npz", tree)
    theirs = tree.item()["joints"][0, :24]
    assert poses.positions.shape == (1, 24, 3)
    # Its template is male: the pelvis too is 18 mm from the neutral one.
    error = np.linalg.norm(poses.positions[0] - theirs, axis=-1)
    assert error.mean() == pytest.approx(0.034, abs=5e-4) and error.max() < 0.060


def test_a_real_pickle_of_something_else(samples):
    with pytest.raises(FileError, match="expected a dictionary of body model parameters"):
        read_pickle(samples / "jhmdb_ddnet/GT_train_1.pkl")


def _read_npz(data: bytes):
    with open_npz("m.npz", data=data) as arrays:
        if matches(arrays):
            return poses_from_parameters("m.npz", arrays)
    return None


def test_mutated_files_never_crash(tmp_path, samples):
    np.savez(tmp_path / "a.npz", **amass())
    for data in (
        (tmp_path / "a.npz").read_bytes(),
        (samples / "mmpose_tests/mosh/test_mosh.npz").read_bytes(),
    ):
        for damaged in mutations(data, 75, seed=3):
            assert_result_or_user_error(_read_npz, damaged)
    data = pickle.dumps({key: np.asarray(value) for key, value in amass().items()}, protocol=2)
    for damaged in mutations(data, 75, seed=4):
        assert_result_or_user_error(read_pickle, "m.pkl", damaged)
