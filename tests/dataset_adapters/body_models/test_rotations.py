"""Rotations against scipy, at the places where formulas break, and on any leading axes."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from dataset_adapters.body_models.rotations import (
    axis_angle_from_matrix,
    matrix_from_axis_angle,
    matrix_from_quaternion,
    matrix_from_six_d,
    quaternion_from_matrix,
    rotation_defect,
    six_d_from_matrix,
)


def _rotation_vectors() -> np.ndarray:
    """Random ones, and angles of 0, tiny, nearly half a turn, half a turn and beyond."""
    random = np.random.default_rng(0).normal(size=(200, 3)) * 2
    axes = Rotation.random(20, rng=1).as_matrix()[:, :, 0]
    angles = [0, 1e-320, 1e-12, 1e-7, 1e-4, np.pi - 1e-6, np.pi, np.pi + 1e-6, 6.2, 7.0]
    return np.concatenate([random, *(axes * angle for angle in angles), np.eye(3) * np.pi])


def test_axis_angle_to_matrix_is_scipys():
    vectors = _rotation_vectors()
    expected = Rotation.from_rotvec(vectors).as_matrix()
    np.testing.assert_allclose(matrix_from_axis_angle(vectors), expected, atol=1e-14)


def test_a_quarter_turn_about_z_takes_x_to_y():
    np.testing.assert_allclose(
        matrix_from_axis_angle(np.array([0, 0, np.pi / 2])) @ [1, 0, 0], [0, 1, 0], atol=1e-15
    )


def test_matrix_to_axis_angle_and_back_is_the_same_rotation():
    matrices = Rotation.from_rotvec(_rotation_vectors()).as_matrix()
    vectors = axis_angle_from_matrix(matrices)
    assert np.linalg.norm(vectors, axis=-1).max() <= np.pi + 1e-12
    np.testing.assert_allclose(matrix_from_axis_angle(vectors), matrices, atol=1e-13)


@pytest.mark.parametrize("order", ["wxyz", "xyzw"])
def test_quaternions_are_scipys(order):
    rotation = Rotation.from_rotvec(_rotation_vectors())
    theirs = rotation.as_quat(canonical=True, scalar_first=order == "wxyz")
    ours = quaternion_from_matrix(rotation.as_matrix(), order=order)
    # A half turn's quaternion and its negative are the same rotation.
    sign = np.sign(np.sum(ours * theirs, axis=-1, keepdims=True))
    np.testing.assert_allclose(ours, sign * theirs, atol=1e-13)
    assert (ours[:, 0 if order == "wxyz" else 3] >= 0).all()
    np.testing.assert_allclose(
        matrix_from_quaternion(3 * theirs, order=order), rotation.as_matrix(), atol=1e-14
    )


def test_a_zero_quaternion_is_no_rotation():
    assert np.isnan(matrix_from_quaternion(np.zeros(4))).all()


def test_unknown_quaternion_order_is_refused():
    with pytest.raises(ValueError, match="order must be 'wxyz' or 'xyzw'"):
        matrix_from_quaternion(np.ones(4), order="zyxw")


def test_six_d_is_two_columns_and_gram_schmidt():
    matrices = Rotation.random(50, rng=3).as_matrix()
    six_d = six_d_from_matrix(matrices)
    np.testing.assert_array_equal(six_d[:, :3], matrices[:, :, 0])
    np.testing.assert_array_equal(six_d[:, 3:], matrices[:, :, 1])
    # Scaled and sheared columns span the same frame.
    six_d[:, 3:] = 2 * six_d[:, 3:] + 0.7 * six_d[:, :3]
    np.testing.assert_allclose(matrix_from_six_d(5 * six_d), matrices, atol=1e-14)


def test_interleaved_six_d_is_read_as_documented():
    matrix = Rotation.random(rng=4).as_matrix()
    interleaved = matrix[..., :2].reshape(6)
    np.testing.assert_allclose(
        matrix_from_six_d(interleaved[[0, 2, 4, 1, 3, 5]]), matrix, atol=1e-14
    )


def test_parallel_six_d_columns_give_nan():
    assert np.isnan(matrix_from_six_d(np.array([1.0, 0, 0, 2, 0, 0]))).any()


def test_any_leading_axes_and_float32_are_kept():
    vectors = np.random.default_rng(5).normal(size=(2, 3, 4, 3)).astype(np.float32)
    matrices = matrix_from_axis_angle(vectors)
    assert matrices.shape == (2, 3, 4, 3, 3) and matrices.dtype == np.float32
    for convert, size in [
        (axis_angle_from_matrix, 3),
        (quaternion_from_matrix, 4),
        (six_d_from_matrix, 6),
    ]:
        result = convert(matrices)
        assert result.shape == (2, 3, 4, size) and result.dtype == np.float32
    np.testing.assert_allclose(
        matrices.reshape(-1, 3, 3),
        Rotation.from_rotvec(vectors.reshape(-1, 3)).as_matrix(),
        atol=1e-6,
    )


def test_rotation_defect_tells_rotations_from_mirrors_and_shears():
    mirror, double = np.diag([1.0, 1, -1]), 2 * np.eye(3)
    defect = rotation_defect(np.stack([np.eye(3), mirror, double]))
    np.testing.assert_allclose(defect, [0, 2, 7])
