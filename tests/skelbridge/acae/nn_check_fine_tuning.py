"""The three ways of fine-tuning, and the training loops in tools/."""

import importlib
import sys
from pathlib import Path

import nn_reference as reference
import numpy as np
from keras import ops
from nn_backend import (
    ACAE,
    BACKEND,
    POSES,
    close,
    raises,
    value_and_gradient,
)

from skelbridge.acae import nn

ROOT = Path(__file__).parents[3]


def absolute(target):
    target = ops.convert_to_tensor(np.float32(target))
    return lambda p: ops.mean(ops.absolute(ops.subtract(p, target))) / 1000


def check_output_regularization():
    labels = POSES + np.float32(50)
    loss = nn.ConsistencyLoss(ACAE)

    def objective(poses):
        return nn.total(
            nn.output_regularization(poses[:6], absolute(labels[:6]), loss),
            nn.output_regularization(poses[6:], absolute(labels[6:]), loss),
        )

    value, gradient = value_and_gradient(objective, POSES)
    expected, slope = 0.0, []
    for weight, part in ((1, slice(0, 6)), (0.2, slice(6, 8))):
        penalty, penalty_gradient = reference.penalty(ACAE, POSES[part])
        expected += weight * (0.05 + penalty)
        slope.append(weight * (penalty_gradient - 1e-3 / POSES[part].size))
    close(value, expected, 1e-5)
    close(gradient, np.concatenate(slope), 1e-5)
    only = nn.output_regularization(POSES, absolute(labels), loss, mask=np.zeros(8))
    assert float(only["consistency"]) == 0 and sorted(only) == ["consistency", "supervised"]
    close(nn.total(only), 0.05, 1e-5)


def check_direct_latents():
    acae = nn.FixedAcae(ACAE)
    latents = np.einsum("bjd,jl->bld", POSES, ACAE.w1).astype(np.float32)
    decoded = np.einsum("bld,lj->bjd", latents.astype(float), ACAE.w2)
    labels = decoded + np.random.default_rng(0).choice([-30, 40], decoded.shape)
    value, gradient = value_and_gradient(
        lambda q: nn.total(nn.direct_latents(q, absolute(labels), acae)), latents
    )
    close(value, np.abs(decoded - labels).mean() / 1000, 1e-5)
    sign = np.sign(decoded - labels) / decoded.size / 1000
    close(gradient, np.einsum("bjd,lj->bld", sign, ACAE.w2), 1e-5)


def check_student_teacher():
    loss = nn.ConsistencyLoss(ACAE)
    labels = POSES + np.float32(50)
    coded = np.einsum("bjd,jl->bld", POSES.astype(float), ACAE.w1)
    head = np.concatenate([coded + 20, POSES], axis=1).astype(np.float32)

    def terms(points, **options):
        latents, poses = nn.split_latents(points, 12)
        options = {"step": 5001} | options
        teach = lambda q, t: ops.mean(ops.absolute(q - t)) / 1000  # noqa: E731
        return nn.student_teacher(latents, poses, absolute(labels), teach, loss, **options)

    decoded = np.einsum("bld,lj->bjd", coded + 20, ACAE.w2)
    expected = {
        "supervised": 0.05,
        "supervised_decoded": np.abs(decoded - labels).mean() / 1000,
        "supervised_projected": np.abs(reference.project(ACAE, POSES) - labels).mean() / 1000,
        "consistency": reference.penalty(ACAE, POSES)[0],
        "teacher": 0.02,
    }
    found = terms(head)
    assert list(found) == list(expected)
    for name, value in expected.items():
        close(found[name], value, 1e-4)
    weak = terms(head, weights=nn.HYBRID_WEIGHTS_2D)
    for name, factor in (("consistency", 0.5), ("teacher", 0.5), ("supervised_projected", 1)):
        close(weak[name], factor * expected[name], 1e-4)
    close(
        nn.total(found, weak), sum(expected.values()) + 0.2 * sum(map(float, weak.values())), 1e-4
    )
    for step, on in ((0, 0), (5000, 0), (ops.convert_to_tensor(5001), 0.02)):
        close(float(terms(head, step=step)["teacher"]) + 1, 1 + on, 1e-5)
    fixed = value_and_gradient(lambda p: terms(p)["teacher"], head)[1]
    assert (fixed[:, 12:] == 0).all() and (fixed[:, :12] > 0).all()
    free = value_and_gradient(lambda p: terms(p, stop_teacher_gradient=False)["teacher"], head)[1]
    assert np.abs(free[:, 12:]).max() > 0
    through = value_and_gradient(lambda p: terms(p)["supervised_decoded"], head)[1]
    assert (through[:, 12:] == 0).all() and np.abs(through[:, :12]).max() > 0
    raises("latents and then the joints", nn.split_latents, head, 54)


def check_training_loop():
    """The loop in tools/: joints without labels learn from those with, by the penalty alone."""
    sys.path.append(str(ROOT / "tools"))
    tool = "acae_train_" + {"tensorflow": "keras"}.get(BACKEND, BACKEND)
    train = importlib.import_module(tool).train
    acae = reference.anchored()
    without, with_penalty = (train(acae, steps=80, weight=weight) for weight in (0.0, 1.0))
    assert with_penalty < 0.4 * without, (without, with_penalty)
    return {"without_mm": without, "with_mm": with_penalty}
