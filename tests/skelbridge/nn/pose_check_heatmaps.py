"""Heatmaps: expected positions, the cells' places, the head."""

import keras
import numpy as np
from keras import ops
from keras_numbers import close, numpy_of, raises, value_and_gradient

from skelbridge import nn


def naive(logits, joints):
    """Softmax and expectation, joint by joint, in float64."""
    batch, height, width, channels = logits.shape
    depth = channels // joints - 1
    y, x, z = np.arange(height), np.arange(width), np.arange(depth)
    plane, solid = np.zeros((batch, 2, joints)), np.zeros((batch, 3, joints))
    for b in range(batch):
        for j in range(joints):
            p = np.exp(logits[b, :, :, j] - logits[b, :, :, j].max())
            p /= p.sum()
            plane[b, :, j] = (p.sum(0) @ x), (p.sum(1) @ y)
            cube = logits[b][:, :, joints + j :: joints]
            p = np.exp(cube - cube.max())
            p /= p.sum()
            solid[b, :, j] = p.sum((0, 2)) @ x, p.sum((1, 2)) @ y, p.sum((0, 1)) @ z
    return plane, solid


def check_soft_argmax():
    rng = np.random.default_rng(0)
    for height, width, joints, depth, scale in (
        (6, 6, 5, 8, 3),
        (3, 5, 1, 2, 1),
        (4, 4, 3, 3, 300),
    ):
        logits = rng.normal(0, scale, (2, height, width, joints * (1 + depth)))
        found = nn.soft_argmax(np.float32(logits), joints)
        bias = np.float32(rng.normal(0, scale, logits.shape[-1]))
        biased = nn.soft_argmax(np.float32(logits), joints, bias=bias)
        for part, expected in zip(
            biased, naive(np.float32(logits) + bias.astype(float), joints), strict=True
        ):
            close(part, expected, 2e-6)
        for part, expected in zip(
            found, naive(np.float32(logits).astype(float), joints), strict=True
        ):
            close(part, expected, 2e-6)


def check_soft_argmax_extremes():
    """Logits that overflow or vanish in float32 exponentials; peaks; uniform maps."""
    logits = np.zeros((1, 6, 6, 2 * 9), np.float32)
    plane, solid = (numpy_of(x) for x in nn.soft_argmax(logits, 2))
    close(plane, np.full((1, 2, 2), 2.5), 1e-6)
    close(solid[0, :, 0], [2.5, 2.5, 3.5], 1e-6)
    logits += -1e4
    logits[0, 1, 4, 0] = 1e4  # 2D of joint 0 at x = 4, y = 1
    logits[0, 5, 2, 2 + 7 * 2 + 0] = 3e4  # 3D of joint 0 at x = 2, y = 5, z = 7

    def first_joint(x):
        plane, solid = nn.soft_argmax(x, 2)
        return ops.sum(plane[..., 0]) + ops.sum(solid[..., 0])

    plane, solid = (numpy_of(x) for x in nn.soft_argmax(logits, 2))
    close(plane[0, :, 0], [4, 1], 1e-6)
    close(solid[0, :, 0], [2, 5, 7], 1e-6)
    value, gradient = value_and_gradient(first_joint, logits)
    assert abs(value - 19) < 1e-4 and np.isfinite(gradient).all()


def check_soft_argmax_gradient():
    """d position / d logit = p (position of the cell - expected position)."""
    rng = np.random.default_rng(1)
    logits = np.float32(rng.normal(0, 2, (1, 4, 5, 3 * 4)))
    weights = rng.normal(size=(5, 3))

    def total(x):
        plane, solid = nn.soft_argmax(x, 3)
        both = ops.concatenate([plane, solid], axis=1)[0]
        return ops.sum(ops.multiply(both, np.float32(weights)))

    _, gradient = value_and_gradient(total, logits)
    plane, solid = naive(logits.astype(float), 3)
    y, x, z = np.indices((4, 5, 3))
    expected = np.zeros((4, 5, 4, 3))
    for j in range(3):
        maps = logits[0].astype(float).reshape(4, 5, 4, 3)[..., j]
        p = np.exp(maps[:, :, 0]) / np.exp(maps[:, :, 0]).sum()
        parts = ((x[:, :, 0], plane[0, 0, j]), (y[:, :, 0], plane[0, 1, j]))
        expected[:, :, 0, j] = sum(
            w * p * (a - mean) for w, (a, mean) in zip(weights[:2, j], parts, strict=True)
        )
        p = np.exp(maps[:, :, 1:]) / np.exp(maps[:, :, 1:]).sum()
        expected[:, :, 1:, j] = sum(
            w * p * (a - mean)
            for w, a, mean in zip(weights[2:, j], (x, y, z), solid[0, :, j], strict=True)
        )
    close(gradient.reshape(expected.shape), expected, 1e-5)


def check_bias_gradient_equals_that_of_added_bias():
    rng = np.random.default_rng(3)
    logits, bias = np.float32(rng.normal(0, 2, (2, 4, 5, 12))), np.float32(rng.normal(0, 2, 12))
    weights = np.float32(rng.normal(size=(5, 3)))

    def total(plane, solid):
        return ops.sum(ops.multiply(ops.concatenate([plane, solid], axis=1), weights))

    logits_tensor = ops.convert_to_tensor(logits)
    value, gradient = value_and_gradient(
        lambda b: total(*nn.soft_argmax(logits_tensor, 3, bias=b)), bias
    )
    other, expected = value_and_gradient(
        lambda b: total(*nn.soft_argmax(ops.add(logits_tensor, b), 3)), bias
    )
    close(value, other, 1e-5)
    close(gradient, expected, 1e-4)
    assert not gradient[:3].any()


def check_grid():
    grid = nn.HeatmapGrid(96, 16, side_mm=2500)
    assert grid.cells == 6 and grid.side_mm == (2500, 2500, 2500)
    assert grid.cell_px.tolist() == [7, 23, 39, 55, 71, 87]
    assert grid.zone == (11, 83)
    assert grid.cell_mm(0).tolist() == [-1250, -750, -250, 250, 750, 1250]
    assert np.allclose(np.diff(grid.cell_mm(2)), 2500 / 7)
    published = nn.HeatmapGrid(256, 32, 16, side_mm=(1925, 1925, 2200))
    assert published.cell_px[[0, -1]].tolist() == [16, 240] and published.zone == (24, 232)
    assert np.allclose(np.diff(published.cell_mm(0)), 32 * 2200 / 256)
    raises("multiple of the network's stride", nn.HeatmapGrid, 100, 16)
    raises("multiple of the network's stride", nn.HeatmapGrid, 16, 16)
    raises("depth must be at least 2", nn.HeatmapGrid, 96, 16, depth=1)
    raises("side_mm must be positive", nn.HeatmapGrid, 96, 16, side_mm=(1, 2, -3))


def check_head():
    grid = nn.HeatmapGrid(96, 16, side_mm=2500)
    features = np.float32(np.random.default_rng(0).normal(size=(2, 6, 6, 10)))
    head = nn.MetricHeatmapHead(4, grid, seed=3)
    joints2d, relative = (numpy_of(x) for x in head(features))
    kernel, bias = head.kernel_and_bias()
    assert kernel.shape == (10, 9, 4) and not bias.any()
    assert head.count_params() == 10 * 36 + 36
    logits = np.einsum("bhwc,cdp->bhwdp", features, kernel).reshape(2, 6, 6, 36)
    plane, solid = naive(logits.astype(float), 4)
    close(joints2d, (7 + 16 * plane).swapaxes(1, 2), 1e-4)
    close(relative, (solid / [[5], [5], [7]] - 0.5).swapaxes(1, 2) * 2500, 1e-4)
    again = nn.MetricHeatmapHead.from_config(head.get_config())
    assert np.array_equal(numpy_of(again(features)[1]), relative)
    larger = nn.MetricHeatmapHead(6, grid, seed=4)
    larger(features)
    larger.copy_points(head, at=2)
    close(numpy_of(larger(features)[0])[:, 2:], joints2d, 1e-6)
    raises("does not fit into", head.copy_points, larger)
    raises("6x6 cells", nn.MetricHeatmapHead(4, grid), np.zeros((2, 8, 8, 10), np.float32))


def check_head_is_float32_under_mixed_precision():
    """Only the convolution is coarse: its float16 logits give float32 positions."""
    grid = nn.HeatmapGrid(96, 16)
    features = np.float32(np.random.default_rng(0).normal(size=(2, 6, 6, 10)))
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        head = nn.MetricHeatmapHead(4, grid, seed=3)
        joints2d, relative = head(ops.cast(features, "float16"))
    finally:
        keras.config.set_dtype_policy(before)
    assert head.convolution.compute_dtype == "float16" and head.compute_dtype == "float32"
    kernel, _ = head.kernel_and_bias()
    halves = features.astype(np.float16), kernel.astype(np.float16).reshape(10, 36)
    logits = (halves[0].astype(float) @ halves[1].astype(float)).astype(np.float16)
    plane, solid = naive(logits.astype(float), 4)
    # The last bit of a logit (5e-4 here) moves a position by some hundredths of a px; rounding
    # positions to float16 would cost 0.03 px and 0.5 mm in every one of them.
    for found, expected, tolerance in (
        (joints2d, 7 + 16 * plane, 0.02),
        (relative, (solid / [[5], [5], [7]] - 0.5) * 2200, 0.5),
    ):
        assert keras.backend.standardize_dtype(found.dtype) == "float32"
        assert np.abs(numpy_of(found) - expected.swapaxes(1, 2)).max() < tolerance
