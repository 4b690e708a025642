"""Posed bodies: anny against our arrays, the reference T-pose, limbs, sampling, landmarks.

Most of it needs anny and torch (extra `body`) and is skipped without them.
"""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from atlas_build.body import Bodies, bodies_of, make_bodies, pose, sample_posed_bodies
from atlas_build.landmarks import LANDMARK_FILE, load_landmarks
from atlas_build.motion import Motion
from atlas_build.posing import bone_transforms, bone_turns
from atlas_build.transfer import PART_INDEX, PARTS, T_POSE, mirrored
from atlas_build.turning import about, angle_of

ROOT = Path(__file__).parents[2]
X, Y, Z = np.eye(3)
#: anny's neck bones lie up to 4 mm off the midline, its mesh and all other bones are symmetric.
NECK_SYMMETRY_M, SYMMETRY_M = 10e-3, 2e-3


@pytest.fixture(scope="module")
def model():
    pytest.importorskip("anny")
    from atlas_build.anny_body import AnnyBody

    return AnnyBody()


@pytest.fixture(scope="module")
def bodies(model) -> Bodies:
    return make_bodies(6, seed=3, model=model)


def random_poses(count, seed=0, size=0.5):
    """Part rotations that hang together: each turned by some `size` radians from its parent."""
    from skelbridge.atlas.body_parts import PART_PARENTS

    rng = np.random.default_rng(seed)
    world = {}
    for part in PARTS:
        axes = rng.normal(size=(count, 3))
        turn = about(axes / np.linalg.norm(axes, axis=1, keepdims=True), rng.normal(0, size, count))
        parent = PART_PARENTS[part]
        world[part] = turn if parent is None else world[parent] @ turn
    return np.stack([world[part] for part in PARTS], axis=1)


def motion(name, parts, split="train"):
    return Motion(name, "", split, 30.0, parts.astype(np.float32))


class TestNonCommercialTopologies:
    PATTERN = re.compile(
        r"""topology\s*[=:]\s*\(?\s*["'](smpl|smplx)\b|anny2smpl|anny\.models\.smpl""",
        re.IGNORECASE,
    )

    def test_no_tool_names_one(self):
        files = list((ROOT / "tools").rglob("*.py"))
        assert len(files) > 10
        for file in files:
            assert not self.PATTERN.search(file.read_text(encoding="utf-8")), file

    @pytest.mark.parametrize("line", ['Anny(topology="smplx")', "topology = 'smpl'",
                                      "import anny.models.smpl", 'TOPOLOGY: "smpl"'])  # fmt: skip
    def test_the_search_finds_them(self, line):
        assert self.PATTERN.search(line)

    @pytest.mark.parametrize("topology", ["smpl", "smplx"])
    def test_they_are_refused(self, topology):
        from atlas_build.anny_body import AnnyBody

        with pytest.raises(ValueError, match="is not free for all uses"):
            AnnyBody(topology=topology)

    def test_other_meshes_are_refused_too(self):
        from atlas_build.anny_body import AnnyBody

        with pytest.raises(ValueError, match="other vertices"):
            AnnyBody(topology="notoes")

    def test_anny_can_no_longer_download_what_they_need(self, model, tmp_path):
        import anny

        assert model.topology == "anny"
        assert not (anny.paths.get_anny_cache_path() / "noncommercial").exists()
        kept = anny.paths.get_anny_cache_path()
        anny.paths.set_anny_cache_path(tmp_path)
        try:
            for path in (anny.paths.get_anny2smpl_data_path, anny.paths.get_anny2smplx_data_path):
                with pytest.raises(RuntimeError, match="must not be downloaded"):
                    path()
        finally:
            anny.paths.set_anny_cache_path(kept)


class TestAgainstAnny:
    """Our numpy posing gives what anny's own `world-orient` posing of the whole mesh gives."""

    def test_posed_heads_keypoints_and_skin(self, model, bodies):
        import torch

        body, parts = np.arange(6), random_poses(6)
        curls = np.random.default_rng(1).random((6, 2, 5))
        anchors, _ = pose(bodies, body, parts, curls=curls)
        turns = bone_turns(model.rig, bodies.frames.of(body), parts, curls=curls)
        to_anny = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
        shape = {
            "phenotype_kwargs": torch.tensor(bodies.shapes.phenotypes),
            "local_changes_kwargs": torch.tensor(
                bodies.shapes.local_changes[:, model._local_order]
            ),
        }
        rest = model._model(**shape)["rest_bone_poses"]
        orientations = torch.zeros_like(rest)
        orientations[..., :3, :3] = torch.tensor(to_anny @ turns @ to_anny.T) @ rest[..., :3, :3]
        orientations[..., 3, 3] = 1
        out = model._model(pose_parameters=orientations, pose_parameterization="world-orient",
                           **shape)  # fmt: skip
        vertices = out["vertices"].numpy() @ to_anny
        expected = {
            "bone:": out["bone_poses"][..., :3, 3].numpy() @ to_anny,
            "coco:": np.einsum("kv,bvd->bkd", model.coco_weights, vertices),
            "skin:": np.stack([np.einsum("v,bvd->bd", landmark.weights,
                                         vertices[:, list(landmark.vertices)])
                               for name, landmark in load_landmarks().items()
                               if not name.startswith("tail:")], axis=1),
        }  # fmt: skip
        for prefix, points in expected.items():
            mine = [k for k, name in enumerate(bodies.anchors.names) if name.startswith(prefix)]
            np.testing.assert_allclose(anchors[:, mine], points, atol=1e-5)

    def test_the_whole_mesh_is_skinned_the_same(self, model, bodies):
        rest = model.rest(bodies.shapes)
        parts = random_poses(6)
        turns = bone_turns(model.rig, bodies.frames, parts)
        transforms = bone_transforms(model.rig, rest.heads, turns)
        skinned = model.skin(rest.vertices[2], transforms[2])
        anchors, _ = pose(bodies, np.array([2]), parts[2:3])
        landmark = load_landmarks()["left_knee_front"]
        point = landmark.weights @ skinned[list(landmark.vertices)]
        index = bodies.anchors.names.index("skin:left_knee_front")
        np.testing.assert_allclose(anchors[0, index], point, atol=1e-5)


class TestReferencePose:
    def at(self, bodies, name):
        return bodies.reference[:, bodies.anchors.names.index(name)]

    def test_limbs_stand_as_defined(self, bodies):
        ends = {"upper_arm": ("upperarm01", "lowerarm01"), "forearm": ("lowerarm01", "wrist"),
                "hand": ("wrist", "finger3-1"), "thigh": ("upperleg01", "lowerleg01"),
                "shank": ("lowerleg01", "foot")}  # fmt: skip
        for side in ("left", "right"):
            for part, (start, end) in ends.items():
                step = (self.at(bodies, f"bone:{end}.{side[0].upper()}")
                        - self.at(bodies, f"bone:{start}.{side[0].upper()}"))  # fmt: skip
                step /= np.linalg.norm(step, axis=1, keepdims=True)
                direction, _ = T_POSE[f"{side}_{part}"]
                np.testing.assert_allclose(step, np.tile(direction, (6, 1)), atol=1e-6)

    def test_palms_look_down_and_feet_forward(self, bodies):
        for side, sign in (("left", 1), ("right", -1)):
            palm = self.at(bodies, f"skin:{side}_palm") - self.at(bodies, f"skin:{side}_hand_back")
            assert (palm[:, 1] < -0.02).all()
            thumb = self.at(bodies, f"skin:{side}_thumb_tip") - self.at(
                bodies, f"coco:{side}_wrist"
            )
            assert (thumb[:, 2] > 0.03).all()
            assert (thumb[:, 0] * sign > 0).all()
            toes = self.at(bodies, f"skin:{side}_toe2_tip") - self.at(bodies, f"skin:{side}_heel")
            assert (toes[:, 2] > 0.2).all()
            assert (np.abs(toes[:, 0]) < 0.02).all()
            heel, ball = (self.at(bodies, f"skin:{side}_{end}_sole") for end in ("heel", "ball"))
            assert (np.abs(heel[:, 1] - ball[:, 1]) < 0.02).all()
        assert (self.at(bodies, "coco:nose")[:, 2] > self.at(bodies, "skin:head_back")[:, 2]).all()

    def test_stature_runs_from_the_sole_to_the_top_of_the_head(self, bodies):
        assert ((bodies.stature > 1.5) & (bodies.stature < 1.95)).all()
        heights = bodies.reference[..., 1]
        np.testing.assert_allclose(
            heights.max(axis=1), heights[:, bodies.anchors.names.index("skin:head_top")]
        )
        np.testing.assert_allclose(np.ptp(heights, axis=1), bodies.stature, atol=3e-3)

    def test_posing_the_identity_gives_it_back(self, bodies):
        parts = np.broadcast_to(np.eye(3), (6, len(PARTS), 3, 3))
        anchors, rotations = pose(bodies, np.arange(6), parts)
        np.testing.assert_allclose(anchors, bodies.reference, atol=1e-6)
        np.testing.assert_allclose(rotations, parts, atol=1e-6)


class TestPosing:
    def test_limbs_point_where_the_parts_say(self, bodies):
        parts = random_poses(30)
        anchors, _ = pose(bodies, np.arange(30) % 6, parts)
        names = bodies.anchors.names
        for side in ("left", "right"):
            for part, start, end in (("upper_arm", "upperarm01", "lowerarm01"),
                                     ("forearm", "lowerarm01", "wrist"),
                                     ("hand", "wrist", "finger3-1"),
                                     ("thigh", "upperleg01", "lowerleg01"),
                                     ("shank", "lowerleg01", "foot")):  # fmt: skip
                s = side[0].upper()
                step = (anchors[:, names.index(f"bone:{end}.{s}")]
                        - anchors[:, names.index(f"bone:{start}.{s}")])  # fmt: skip
                step /= np.linalg.norm(step, axis=1, keepdims=True)
                name = f"{side}_{part}"
                np.testing.assert_allclose(step, parts[:, PART_INDEX[name]] @ T_POSE[name][0],
                                           atol=1e-5)  # fmt: skip

    def test_lengths_of_bones_do_not_change(self, model, bodies):
        anchors, _ = pose(bodies, np.arange(30) % 6, random_poses(30))
        for bone, parent in enumerate(model.rig.parents):
            if parent >= 0:
                length = np.linalg.norm(anchors[:, bone] - anchors[:, parent], axis=1)
                rest = np.linalg.norm(
                    bodies.reference[:, bone] - bodies.reference[:, parent], axis=1
                )
                np.testing.assert_allclose(length, rest[np.arange(30) % 6], atol=1e-5)

    def test_mirrored_motion_gives_mirrored_bodies(self, bodies):
        parts = random_poses(12, size=0.3)
        body = np.arange(12) % 6
        anchors, rotations = pose(bodies, body, parts)
        other, other_rotations = pose(bodies, body, mirrored(parts))
        index = [bodies.anchors.names.index(_other_side(name)) for name in bodies.anchors.names]
        apart = np.linalg.norm(other[:, index] * (-1, 1, 1) - anchors, axis=-1).max(axis=0)
        neck = np.array([name.startswith("bone:neck") for name in bodies.anchors.names])
        assert apart[neck].max() < NECK_SYMMETRY_M
        assert apart[~neck].max() < SYMMETRY_M
        np.testing.assert_allclose(mirrored(other_rotations), rotations, atol=2e-3)

    def test_shoulders_follow_the_arms(self, bodies):
        up = np.broadcast_to(np.eye(3), (6, len(PARTS), 3, 3)).copy()
        for part in ("upper_arm", "forearm", "hand"):
            up[:, PART_INDEX[f"left_{part}"]] = about(Z, np.radians(60))
        anchors, rotations = pose(bodies, np.arange(6), up)
        shoulder = bodies.anchors.names.index("bone:upperarm01.L")
        raised = anchors[:, shoulder, 1] - bodies.reference[:, shoulder, 1]
        assert ((raised > 0.015) & (raised < 0.08)).all()
        angles = np.degrees(angle_of(rotations[:, PART_INDEX["left_collar"]]))
        np.testing.assert_allclose(angles, 6, atol=0.5)
        np.testing.assert_allclose(rotations[:, PART_INDEX["right_collar"]], up[:, 0], atol=1e-6)

    def test_half_of_a_twist_stays_in_the_upper_half_bone(self, model, bodies):
        parts = np.broadcast_to(np.eye(3), (6, len(PARTS), 3, 3)).copy()
        parts[:, PART_INDEX["left_thigh"]] = about(Y, 0.6)
        turns = bone_turns(model.rig, bodies.frames, parts)
        straight = bone_turns(model.rig, bodies.frames, np.broadcast_to(np.eye(3), parts.shape))
        moved = turns @ np.swapaxes(straight, -1, -2)
        angles = angle_of(moved)
        np.testing.assert_allclose(angles[:, model.rig.index("upperleg01.L")], 0.3, atol=0.03)
        np.testing.assert_allclose(angles[:, model.rig.index("upperleg02.L")], 0.6, atol=0.03)
        np.testing.assert_allclose(angles[:, model.rig.index("lowerleg01.L")], 0, atol=1e-6)

    def test_curled_fingers_come_to_the_palm(self, bodies):
        parts = np.broadcast_to(np.eye(3), (6, len(PARTS), 3, 3))
        anchors, _ = pose(bodies, np.arange(6), parts, curls=np.ones((6, 2, 5)))
        for side in ("left", "right"):
            palm = anchors[:, bodies.anchors.names.index(f"skin:{side}_palm")]
            for finger in ("index", "middle", "ring", "little"):
                k = bodies.anchors.names.index(f"skin:{side}_{finger}_tip")
                before = np.linalg.norm(bodies.reference[:, k] - palm, axis=1)
                after = np.linalg.norm(anchors[:, k] - palm, axis=1)
                assert (after < 0.7 * before).all()
                assert (anchors[:, k, 1] < palm[:, 1] + 0.01).all()


def _other_side(name):
    if name.endswith((".L", ".R")):
        return name[:-1] + {"L": "R", "R": "L"}[name[-1]]
    if name.startswith("skin:ibug_"):
        return f"skin:ibug_{IBUG_IMAGE[int(name[-2:])]:02d}"
    prefix, _, point = name.partition(":")
    for side, other in (("left_", "right_"), ("right_", "left_")):
        if point.startswith(side):
            return f"{prefix}:{other}{point.removeprefix(side)}"
    return name


#: The mirror images that the 300-W annotations define, 1-based.
IBUG_IMAGE = {
    **{k: 18 - k for k in range(1, 18)}, **{k: 45 - k for k in range(18, 28)},
    **{k: k for k in range(28, 32)}, **{k: 68 - k for k in range(32, 37)},
    **dict(zip((37, 38, 39, 40, 41, 42), (46, 45, 44, 43, 48, 47), strict=True)),
    **dict(zip((46, 45, 44, 43, 48, 47), (37, 38, 39, 40, 41, 42), strict=True)),
    **{k: 104 - k for k in range(49, 56)}, **{k: 116 - k for k in range(56, 61)},
    **{k: 126 - k for k in range(61, 66)}, **{k: 134 - k for k in range(66, 69)},
}  # fmt: skip


@pytest.fixture(scope="module")
def motions():
    return [motion("made/long", random_poses(900)), motion("made/short", random_poses(100, 1)),
            motion("made/held_out", random_poses(50, 2), split="test")]  # fmt: skip


class TestSampling:
    def sample(self, motions, bodies, **changes):
        arguments = {"n_samples": 400, "n_bodies": 6, "seed": 7, "bodies": bodies} | changes
        return sample_posed_bodies(motions, **arguments)

    def test_arrays_are_what_they_should_be(self, motions, bodies):
        got = self.sample(motions, bodies)
        n_anchors = len(got.anchor_names)
        assert got.anchors.shape == got.reference.shape == (400, n_anchors, 3)
        assert got.rotations.shape == (400, len(PARTS), 3, 3)
        for array in (got.anchors, got.reference, got.rotations, got.stature):
            assert array.dtype == np.float32
            assert np.isfinite(array).all()
        np.testing.assert_allclose(got.anchors[:, got.index("bone:root")], 0, atol=1e-6)
        squares = got.rotations @ got.rotations.swapaxes(-1, -2)
        np.testing.assert_allclose(squares, np.tile(np.eye(3), (400, 20, 1, 1)), atol=1e-5)
        assert got.take_names == ("made/long", "made/short")
        assert np.bincount(got.body).min() >= 66
        np.testing.assert_array_equal(got.stature, bodies.stature.astype(np.float32)[got.body])
        with pytest.raises(ValueError, match="Received 'bone:tail'"):
            got.index("bone:tail")

    def test_the_same_seed_gives_the_same_bytes(self, motions, bodies, model):
        got = self.sample(motions, bodies)
        again = self.sample(motions, make_bodies(6, seed=3, model=model))
        assert got.anchors.tobytes() == again.anchors.tobytes()
        assert got.rotations.tobytes() == again.rotations.tobytes()
        assert self.sample(motions, bodies, seed=8).anchors.tobytes() != got.anchors.tobytes()

    def test_long_takes_do_not_rule(self, motions, bodies):
        got = self.sample(motions, bodies, n_samples=2000)
        assert np.mean(got.take == 0) == pytest.approx(0.75, abs=0.04)  # sqrt(9) : sqrt(1)

    def test_held_out_takes_are_only_given_when_asked_for(self, motions, bodies):
        got = self.sample(motions, bodies, takes="test")
        assert got.take_names == ("made/held_out",)

    def test_without_noise_poses_are_those_of_the_takes(self, motions, bodies):
        got = self.sample(motions, bodies, noise=0.0, n_samples=50)
        for rotations, take in zip(got.rotations, got.take, strict=True):
            frames = motions[take].rotations
            apart = np.abs(frames - rotations)
            limbs = [k for k, part in enumerate(PARTS) if "collar" not in part]
            assert apart[:, limbs].max(axis=(1, 2, 3)).min() < 1e-6

    def test_noise_is_of_the_stated_size(self, motions, bodies):
        still = [motion("made/still", np.tile(np.eye(3), (2, len(PARTS), 1, 1)))]
        got = self.sample(still, bodies, n_samples=2000)
        angles = angle_of(got.rotations.astype(float))
        for part, sd in {"head": 0.10, "left_forearm": 0.07, "pelvis": 0.03}.items():
            rms = np.sqrt(np.mean(angles[:, PART_INDEX[part]] ** 2 / 3))
            assert rms == pytest.approx(sd, rel=0.06)

    def test_recombined_samples_keep_arms_and_legs_on_the_trunk(self, motions, bodies):
        got = self.sample(motions, bodies, noise=0.0, recombine=1.0, n_samples=60)
        frames = np.concatenate([take.rotations for take in motions if take.split == "train"])
        for limb, base in (("left_forearm", "spine3"), ("right_shank", "pelvis")):

            def relative(rotations, limb=limb, base=base):
                return (np.swapaxes(rotations[:, PART_INDEX[base]], -1, -2)
                        @ rotations[:, PART_INDEX[limb]])  # fmt: skip

            known, made = relative(frames), relative(got.rotations)
            assert np.abs(known[None] - made[:, None]).max(axis=(2, 3)).min(axis=1).max() < 1e-5
        whole = np.abs(frames[None] - got.rotations[:, None])[:, :, PART_INDEX["right_shank"]]
        assert np.median(whole.max(axis=(2, 3)).min(axis=1)) > 0.01

    def test_adults_have_adult_statures(self, model):
        statures = make_bodies(80, seed=0, model=model).stature
        assert 1.69 < statures.mean() < 1.77
        assert 0.08 < statures.std() < 0.13
        assert ((statures >= 1.50) & (statures <= 1.95)).all()


class TestLandmarks:
    def test_weights_and_names(self):
        landmarks = load_landmarks()
        assert {f"ibug_{k:02d}" for k in range(1, 69)} <= set(landmarks)
        for name, landmark in landmarks.items():
            assert sum(landmark.weights) == pytest.approx(1, abs=1e-4), name
            assert min(landmark.weights) > 0
            assert max(landmark.vertices) < 13_718
            assert landmark.rule
            if not name.startswith("ibug"):
                assert _other_side(name if ":" in name else f"skin:{name}").removeprefix(
                    "skin:") in landmarks  # fmt: skip

    def test_the_file_is_what_the_rules_give(self, model):
        pytest.importorskip("scipy")
        from atlas_build.average_body import AverageBody
        from atlas_build.landmark_rules import find_landmarks

        found = find_landmarks(AverageBody(model))
        stored = json.loads(LANDMARK_FILE.read_text())
        assert found.keys() == stored.keys()
        for name, landmark in found.items():
            assert landmark["rule"] == stored[name]["rule"]
            assert landmark["vertices"] == stored[name]["vertices"]
            assert landmark["weights"] == pytest.approx(stored[name]["weights"], abs=1e-4)

    def test_they_lie_where_their_names_say(self, model):
        from atlas_build.anchors import make_anchors
        from atlas_build.anny_body import average_shape

        anchors = make_anchors(model)
        rest = model.rest(average_shape(), vertices=anchors.vertices)
        (points,) = bodies_of(model, anchors, average_shape(), rest).reference * 1000
        at = {name: points[k] for k, name in enumerate(anchors.names)}
        order = ["head_top", "ibug_28", "nose_tip", "ibug_52", "ibug_58", "chin_front", "c7",
                 "suprasternal", "t8", "xiphoid", "t10", "navel", "l5", "left_psis", "left_asis",
                 "left_trochanter", "pubis", "left_thigh_front", "left_knee_front",
                 "left_shank_front", "left_ankle_lateral", "left_heel"]  # fmt: skip
        heights = [at[f"skin:{name}"][1] for name in order]
        assert heights == sorted(heights, reverse=True)
        for name in ("nose_tip", "suprasternal", "xiphoid", "ibug_09", "c7", "head_top"):
            assert abs(at[f"skin:{name}"][0]) < 1.5
        for outer, inner in (("ankle_lateral", "ankle_medial"), ("knee_lateral", "knee_medial")):
            for side, sign in (("left", 1), ("right", -1)):
                width = sign * (at[f"skin:{side}_{outer}"] - at[f"skin:{side}_{inner}"])[0]
                assert 50 < width < 130
        for point, keypoint, limit in (("left_eye_front", "left_eye", 10), ("nose_tip", "nose", 20),
                                       ("left_heel", "left_heel", 25),
                                       ("left_big_toe_tip", "left_big_toe", 25),
                                       ("left_ear_outer", "left_ear", 30)):  # fmt: skip
            assert np.linalg.norm(at[f"skin:{point}"] - at[f"coco:{keypoint}"]) < limit
        mouth = [at[f"skin:ibug_{k}"] for k in (49, 61, 62, 63, 64, 65, 55)]
        lower = [at[f"skin:ibug_{k}"] for k in (49, 68, 67, 66, 55)]
        for lip in (mouth, lower):
            assert np.diff([point[0] for point in lip]).min() > 1.5
        for above, below in ((62, 68), (63, 67), (64, 66)):
            assert 0.5 < (at[f"skin:ibug_{above}"] - at[f"skin:ibug_{below}"])[1] < 5
        assert 80 < np.linalg.norm(at["skin:ibug_37"] - at["skin:ibug_46"]) < 100
        assert np.linalg.norm(at["tail:finger2-3.L"] - at["skin:left_index_tip"]) < 15
