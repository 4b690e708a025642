"""The losses against loops and hand numbers; masks; the objectives' sums."""

from types import SimpleNamespace

import loss_oracles as oracle
import numpy as np
from keras import ops
from keras_numbers import close, numpy_of, value_and_gradient

from skelbridge.acae.nn import ConsistencyLoss, FixedAcae
from skelbridge.nn import HeatmapGrid
from skelbridge.training import losses, objectives

GRID = HeatmapGrid(96, 16)
PLACE = {"crop": 96, "zone": GRID.zone, "stride": 16}
B, J, L = 6, 10, 4


def scene(seed=0):
    """Batch dict and predictions; some joints near, far, behind, out of the crop; NaN if masked."""
    rng = np.random.default_rng(seed)
    true = rng.normal([0, 0, 4000], [400, 700, 300], (B, J, 3))
    true[1, :, 2] += 21_000  # 25 m away
    true[0, 0, 2], true[0, 1, 2] = 250, 301  # too near, just far enough
    predicted = true + rng.normal(0, 150, true.shape)
    predicted[2, 3, 2] = -50  # predicted behind the camera
    mask3d = rng.random((B, J)) < 0.7
    mask3d[0, :2] = mask3d[2, 3] = True
    is_3d = np.array([1, 1, 1, 1, 0, 0], bool)
    mask3d &= is_3d[:, None]
    k = np.tile(np.float64([[180, 3, 47.5], [0, 170, 47.5], [0, 0, 1]]), (B, 1, 1))
    joints2d = 47.5 + 180 * true[..., :2] / true[..., 2:] + rng.normal(0, 6, (B, J, 2))
    joints2d[5, 2] = 2000  # a label far outside
    mask2d = rng.random((B, J)) < 0.8
    mask2d[5, 2] = True
    batch = {
        "K": np.float32(k),
        "joints3d": np.float32(np.where(mask3d[..., None], true, np.nan)),
        "mask3d": mask3d,
        "joints2d": np.float32(np.where(mask2d[..., None], joints2d, np.nan)),
        "mask2d": mask2d,
        "is_3d": is_3d,
    }
    return batch, np.float32(predicted)


def averages():
    """Joints 0 to 3 are one body part, 4 and 5 another, 6 its own; 7 to 9 stand for nothing."""
    matrix = np.zeros((J, J))
    matrix[:4, :4] = 1 / 4
    matrix[4:6, 4:6] = 1 / 2
    matrix[6, 6] = 1
    return matrix


def acae():
    rng = np.random.default_rng(9)
    w1, w2 = rng.uniform(0, 1, (J, L)), rng.uniform(0, 1, (L, J))
    return SimpleNamespace(w1=w1 / w1.sum(axis=0), w2=w2 / w2.sum(axis=0))


def expected_3d(predicted, batch, mask=None, true=None):
    mask = batch["mask3d"] if mask is None else mask
    true = batch["joints3d"] if true is None else true
    p, g, k = (np.asarray(x, float) for x in (predicted, true, batch["K"]))
    return {
        "mean_relative": oracle.mean_relative(p, g, mask),
        "projection": oracle.projection(p, g, k, mask, **PLACE),
        "absolute": oracle.absolute(p, g, mask),
    }


def expected_2d(predicted, batch):
    p, g, k = (np.asarray(x, float) for x in (predicted, batch["joints2d"], batch["K"]))
    mask = batch["mask2d"] & ~batch["is_3d"][:, None]
    return oracle.weak_2d(p, g, k, mask, averages(), **PLACE)


def supervised():
    return objectives.PoseLosses(GRID, averages())


def tensors(batch):
    return {name: ops.convert_to_tensor(value) for name, value in batch.items()}


def check_losses_against_loops():
    found = {}
    for seed in range(3):
        batch, predicted = scene(seed)
        for name, expected in expected_3d(predicted, batch).items():
            value, gradient = value_and_gradient(
                lambda p, n=name, b=batch: supervised().terms_3d(p, tensors(b))[n], predicted
            )
            close(value, expected, 1e-5)
            assert expected > 0 and np.isfinite(gradient).all() and gradient.any()
            assert not gradient[~batch["mask3d"]].any()
            found[f"{name} {seed}"] = value
        value, gradient = value_and_gradient(
            lambda p, b=batch: supervised().labelled_2d(p, tensors(b)), predicted
        )
        close(value, expected_2d(predicted, batch), 1e-5)
        assert value > 0 and not gradient[:4].any() and gradient[4:].any()
        found[f"weak {seed}"] = value
    return found


def check_hand_numbers():
    """One example, two joints, f = 100 px, crop 220 px: a pixel is a centimetre."""
    grid = HeatmapGrid(224, 32)
    k = ops.convert_to_tensor(np.float32([[[100, 0, 100], [0, 100, 100], [0, 0, 1]]]))
    true = ops.convert_to_tensor(np.float32([[[0, 0, 4000], [400, 0, 20_000]]]))
    predicted = ops.convert_to_tensor(np.float32([[[40, 0, 4000], [400, 0, 21_000]]]))
    both = ops.convert_to_tensor(np.array([[True, True]]))
    # Differences (-40, 0, 0) and (0, 0, -1000) mm about their mean: 20 + 20 + 500 + 500 over 6.
    close(losses.mean_relative_loss(predicted, true, both), 1.04 / 6, 1e-5)
    # x: 0.04 m; z: 1 m at 20 m counts half.
    close(losses.absolute_loss(predicted, true, both), (0.04 + 0.5) / 6, 1e-5)
    # 1 px and 100 (400 / 20000 - 400 / 21000) = 0.095238 px, of 224 px for 2.2 m, over 4.
    value = losses.projection_loss(predicted, true, k, both, grid=grid)
    close(value, (1 + 2 / 21) / 4 * 2.2 / 224, 1e-4)
    # The average of 101 and 101.90476 px against a label at 100 px; y agrees.
    labels = ops.convert_to_tensor(np.float32([[[100, 100], [0, 0]]]))
    one = ops.convert_to_tensor(np.array([[True, False]]))
    value = losses.weak_2d_loss(predicted, labels, k, one, averages=np.full((2, 2), 0.5), grid=grid)
    close(value, (1 + 40 / 21) / 2 / 2 * 2.2 / 224, 1e-4)


def check_empty_masks_give_zero():
    """No label at all, or none that counts: 0 and zero gradient in every objective."""
    batch, predicted = scene()
    rng = np.random.default_rng(0)
    latents = np.float32(rng.normal([0, 0, 4000], 300, (B, L, 3)))
    for is_3d in (np.ones(B, bool), np.zeros(B, bool)):
        empty = batch | {
            "is_3d": is_3d,
            "mask3d": np.zeros((B, J), bool),
            "mask2d": np.zeros((B, J), bool),
            "joints3d": np.full((B, J, 3), np.nan, np.float32),
            "joints2d": np.full((B, J, 2), np.nan, np.float32),
        }
        for objective, given in (
            (lambda p, b: objectives.separate_heads(p, b, supervised(), step=9999), predicted),
            (
                lambda q, b: objectives.latents_decoded(
                    q, b, supervised(), FixedAcae(acae()), step=9999
                ),
                latents,
            ),
        ):
            value, gradient = value_and_gradient(
                lambda x, f=objective, b=empty: f(x, tensors(b))["total"], given
            )
            assert value == 0 and not gradient.any()
        value, gradient = value_and_gradient(
            lambda p, b=empty: objectives.output_regularized(
                p, tensors(b), supervised(), ConsistencyLoss(acae()), step=9999
            )["total"],
            predicted,
        )
        penalty = float(numpy_of(ConsistencyLoss(acae())(predicted)))
        close(value, penalty * (1 if is_3d.all() else 0.2), 1e-5)
        assert np.isfinite(gradient).all()
        for name, loss in (
            supervised().terms_3d(ops.convert_to_tensor(predicted), tensors(empty)).items()
        ):
            assert float(numpy_of(loss)) == 0, name
    # Labels that are all behind the camera or too near count in the first loss only.
    near = np.where(batch["mask3d"][..., None], np.float32([0, 0, 100]), np.float32(0))
    terms = supervised().terms_3d(
        ops.convert_to_tensor(predicted), tensors(batch | {"joints3d": near})
    )
    assert float(terms["mean_relative"]) > 0
    assert float(terms["projection"]) == float(terms["absolute"]) == 0


def check_separate_heads():
    batch, predicted = scene()
    three = expected_3d(predicted, batch)
    for step, weight in ((5000, 0), (5001, 0.1)):
        terms = objectives.separate_heads(
            ops.convert_to_tensor(predicted), tensors(batch), supervised(), step=step
        )
        labelled = three["mean_relative"] + three["projection"] + weight * three["absolute"]
        close(terms["3d/supervised"], labelled, 1e-5)
        close(terms["total"], labelled + 0.2 * expected_2d(predicted, batch), 1e-5)


def check_step_may_be_a_tensor():
    batch, predicted = scene()
    for step in (5000, 5001):
        number, tensor = (
            objectives.separate_heads(
                ops.convert_to_tensor(predicted), tensors(batch), supervised(), step=s
            )["total"]
            for s in (step, ops.convert_to_tensor(step))
        )
        assert float(numpy_of(number)) == float(numpy_of(tensor))


def penalty(poses):
    w = acae()
    rebuilt = np.einsum("bjd,jl,lk->bkd", poses.astype(float), w.w1, w.w2)
    return np.abs(poses - rebuilt).mean() / 1000


def check_output_regularized():
    batch, predicted = scene()
    terms = objectives.output_regularized(
        ops.convert_to_tensor(predicted),
        tensors(batch),
        supervised(),
        ConsistencyLoss(acae()),
        step=0,
    )
    three = expected_3d(predicted, batch)
    expected = three["mean_relative"] + three["projection"] + penalty(predicted[:4])
    expected += 0.2 * (expected_2d(predicted, batch) + penalty(predicted[4:]))
    close(terms["3d/consistency"], penalty(predicted[:4]), 1e-5)
    close(terms["2d/consistency"], penalty(predicted[4:]), 1e-5)
    close(terms["total"], expected, 1e-5)


def check_latents_decoded():
    batch, predicted = scene()
    latents = np.float32(np.einsum("bjd,jl->bld", predicted.astype(float), acae().w1))
    decoded = np.einsum("bld,lj->bjd", latents.astype(float), acae().w2)
    terms = objectives.latents_decoded(
        ops.convert_to_tensor(latents), tensors(batch), supervised(), FixedAcae(acae()), step=0
    )
    three = expected_3d(decoded, batch)
    expected = three["mean_relative"] + three["projection"] + 0.2 * expected_2d(decoded, batch)
    close(terms["total"], expected, 1e-5)


def check_hybrid():
    batch, predicted = scene()
    w = acae()
    rng = np.random.default_rng(4)
    teacher = np.einsum("bjd,jl->bld", predicted.astype(float), w.w1)
    latents = np.float32(teacher + rng.normal(0, 60, teacher.shape))
    decoded = np.einsum("bld,lj->bjd", latents.astype(float), w.w2)
    projected = np.einsum("bld,lj->bjd", teacher, w.w2)
    chosen = np.repeat(batch["is_3d"][:, None], L, axis=1)
    for step, teaches in ((10, 0), (11, 1)):
        terms = objectives.hybrid(
            ops.convert_to_tensor(latents),
            ops.convert_to_tensor(predicted),
            tensors(batch),
            supervised(),
            ConsistencyLoss(w),
            step=step,
            teacher_after=10,
        )
        expected = 0.0
        for part, mask, factors in (("3d", chosen, (1, 1)), ("2d", ~chosen, (0.5, 0.2))):
            examples = mask[:, 0]
            for p in (predicted, decoded, projected):
                if part == "3d":
                    three = expected_3d(p, batch)
                    expected += three["mean_relative"] + three["projection"]
                else:
                    expected += 0.2 * expected_2d(p, batch)
            taught = expected_3d(latents, batch, mask, teacher)
            taught = teaches * (taught["mean_relative"] + taught["projection"])
            close(terms[f"{part}/teacher"], factors[0] * taught, 1e-4)
            expected += factors[0] * factors[1] * (penalty(predicted[examples]) + taught)
        close(terms["total"], expected, 1e-5)


def check_teacher_is_not_taught():
    batch, predicted = scene()
    latents = np.float32(np.random.default_rng(1).normal([0, 0, 4000], 300, (B, L, 3)))
    batch |= {"mask3d": np.zeros((B, J), bool), "mask2d": np.zeros((B, J), bool)}

    def taught(poses):
        loss = ConsistencyLoss(acae())
        terms = objectives.hybrid(
            ops.convert_to_tensor(latents), poses, tensors(batch), supervised(), loss, step=6000
        )
        return terms["3d/teacher"] + terms["2d/teacher"]

    value, gradient = value_and_gradient(taught, predicted)
    assert value > 0 and not gradient.any()


def check_errors_per_example():
    batch, predicted = scene()
    found = numpy_of(losses.per_example_errors(ops.convert_to_tensor(predicted), tensors(batch)))
    for b in range(B):
        one = slice(b, b + 1)
        expected = oracle.mean_relative(
            predicted[one].astype(float), batch["joints3d"][one].astype(float), batch["mask3d"][one]
        )
        assert abs(found[b] - expected) < 1e-6
