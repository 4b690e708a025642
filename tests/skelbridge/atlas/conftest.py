"""A made-up atlas: SMPL's rest skeleton with random turns, real formats' joints hung on it."""

from dataclasses import dataclass

import numpy as np
import pytest

import skeleton_defs
from dataset_adapters.body_models.rotations import matrix_from_axis_angle
from skelbridge.atlas import Moments
from skelbridge.conversion.by_name import map_by_name

SMPL = skeleton_defs.get("smpl")
FORMATS = ("smpl_24", "h36m_17", "coco_17", "openpose_25", "mpii_16", "coco_wholebody_133")
#: SMPL joint that carries points whose names find none.
CARRIERS = {
    "head": "head", "face": "head", "nose": "head", "head_top": "head",
    "left_eye": "head", "left_ear": "head", "right_eye": "head", "right_ear": "head",
    "left_hand": "left_hand", "right_hand": "right_hand",
    "left_thumb": "left_hand", "right_thumb": "right_hand",
    "left_toe": "left_foot", "right_toe": "right_foot",
    "left_heel": "left_ankle", "right_heel": "right_ankle",
}  # fmt: skip
#: Points that are so by definition.
MIDPOINTS = {"h36m:pelvis_h36m": "h36m:{}_hip_h36m", "coco:mid_hip": "coco:{}_hip"}


@dataclass
class Body:
    """Sampled points of several formats, and their moments.

    Attributes:
      points: P texts `family:key`.
      positions: (N, P, 3) metres: samples and their mirror images.
      flip: (P,) partners.
      moments: of full rank in float64.
    """

    points: tuple[str, ...]
    positions: np.ndarray
    flip: np.ndarray
    moments: Moments

    def of(self, name):
        """(N, J, 3) the poses of a format in mm."""
        skeleton = skeleton_defs.get(name)
        rows = [self.points.index(":".join(skeleton.point_of(j))) for j in skeleton.joints]
        return self.positions[:, rows] * 1000


def posed_smpl(rng, count):
    """(N, 24, 3) joints and (N, 24, 3, 3) turns of bodies of various sizes."""
    turns = matrix_from_axis_angle(rng.normal(scale=0.35, size=(count, 24, 3)))
    turns[:, 0] = matrix_from_axis_angle(
        np.c_[np.zeros(count), rng.uniform(-np.pi, np.pi, count), np.zeros(count)]
    ) @ matrix_from_axis_angle(rng.normal(scale=0.4, size=(count, 3)))
    joints = np.zeros((count, 24, 3))
    size = rng.normal(1, 0.06, (count, 1))
    for joint, parent in enumerate(SMPL.parents):
        if parent >= 0:
            bone = (SMPL.rest_pose[joint] - SMPL.rest_pose[parent]) * size
            bone = bone * rng.normal(1, 0.03, (count, 1))
            joints[:, joint] = joints[:, parent] + np.einsum("nij,nj->ni", turns[:, parent], bone)
            turns[:, joint] = turns[:, parent] @ turns[:, joint]
    return joints, turns


def hung_points(rng, formats):
    """Point -> (SMPL joint that carries it, offset in m, partner)."""
    found = {}
    for name in formats:
        skeleton = skeleton_defs.get(name)
        by_name = map_by_name(SMPL, skeleton)
        for row, joint in enumerate(skeleton.joints):
            point = ":".join(skeleton.point_of(joint))
            partner = skeleton.joints[skeleton.flip[row]]
            mirror = ":".join(skeleton.point_of(partner))
            if point in found:
                continue
            if by_name.status[row] == "unavailable":
                carrier = SMPL.joints.index(CARRIERS[skeleton.group[joint]])
            else:
                carrier = int(np.nanargmax(by_name.weights[row]))
            own = by_name.status[row] == "copied"
            offset = np.zeros(3) if own else rng.normal(scale=0.03, size=3)
            if point == mirror:
                offset[0] = 0
            if mirror in found:
                offset = found[mirror][1] * [-1, 1, 1]
            found[point] = (carrier, offset, mirror)
    return found


def make_body(*, seed=0, formats=FORMATS, count=400):
    rng = np.random.default_rng(seed)
    joints, turns = posed_smpl(rng, count)
    hung = hung_points(rng, formats)
    points = tuple(hung)
    positions = np.stack(
        [joints[:, c] + turns[:, c] @ offset for c, offset, _ in hung.values()], axis=1
    )
    for middle, parts in MIDPOINTS.items():
        pair = [points.index(parts.format(side)) for side in ("left", "right")]
        positions[:, points.index(middle)] = positions[:, pair].mean(axis=1)
    flip = np.array([points.index(mirror) for _, _, mirror in hung.values()])
    mirrored = positions[:, flip] * [-1, 1, 1]
    positions = np.concatenate([positions, mirrored])
    centred = positions - positions.mean(axis=1, keepdims=True)
    matrix = np.einsum("npd,nqd->pq", centred, centred) / (3 * len(centred))
    values, vectors = np.linalg.eigh((matrix + matrix[np.ix_(flip, flip)]) / 2)
    factor = vectors * np.sqrt(np.maximum(values, 0))
    zeros = np.zeros(len(points))
    sigma = np.array([8.0 if point.startswith("smpl") else 15.0 for point in points])
    moments = Moments(points, factor, zeros, sigma, None, {"calibration": 1.0})
    return Body(points, positions, flip, moments)


@pytest.fixture(scope="session")
def body():
    return make_body()


@pytest.fixture(scope="session")
def shipped(body):
    """What a file would hold: reduced to rank 48, in float32."""
    matrix = body.moments.covariance(*[np.arange(len(body.points))] * 2)
    return Moments.from_matrix(
        body.points, matrix, rank=48, sigma_mm=body.moments.sigma_mm,
        provenance={"calibration": 1.0, "seed": 0},
    )  # fmt: skip


@pytest.fixture
def atlas_file(shipped, tmp_path, monkeypatch):
    """The made-up atlas as the one in use, in this process and in those it starts."""
    path = tmp_path / "made_up_atlas.npz"
    shipped.save(path)
    monkeypatch.setenv("SKELBRIDGE_ATLAS", str(path))
    return path
