"""A small test set with known poses, and predictions with known errors."""

import dataclasses

import numpy as np
import pytest

from skelbridge.reproduction import Outcome, TestSet
from skeleton_defs import JointRegistry

FORMATS = ("smpl_24", "h36m_17", "coco_17", "mpi_inf_3dhp_17")
LABELLED = dict(zip(("synth_a", "synth_b", "synth_c", "synth_d"), FORMATS, strict=True))
DOMAINS = (*LABELLED, "synth_unseen")


def made_test_set(per_domain: int = 6, side: int = 32) -> TestSet:
    """Random people of about the right size, 4 m away; the first and the last picture are shown."""
    rng = np.random.default_rng(5)
    registry = JointRegistry(FORMATS)
    count = per_domain * len(DOMAINS)
    poses = rng.normal(size=(count, len(registry), 3)) * [300, 500, 300] + [0, 0, 4000]
    shown = np.array([0, count - 1])
    intrinsics = np.array([[1.2 * side, 0, side / 2], [0, 1.2 * side, side / 2], [0, 0, 1]])
    return TestSet(
        registry=registry,
        domains=np.repeat(DOMAINS, per_domain),
        labelled=LABELLED,
        joints3d=poses.astype(np.float32),
        mask=np.ones(poses.shape[:2], dtype=bool),
        images=rng.integers(0, 256, size=(len(shown), side, side, 3), dtype=np.uint8),
        intrinsics=np.repeat(intrinsics[None], len(shown), axis=0),
        shown=shown,
    )


def free_errors(test: TestSet) -> np.ndarray:
    """Random errors (N, J, 3) of about 160 mm that leave all hips where they are.

    Alignment at the hips does not change them: errors that are scaled scale the MPJPE.
    """
    errors = np.random.default_rng(9).normal(size=test.joints3d.shape) * 100
    for hips in test.hips.values():
        errors[:, hips] = 0
    return errors


def unlabelled_joints(test: TestSet) -> np.ndarray:
    """(N, J, 1) bool: joints of formats that the picture's domain is not labelled in."""
    result = np.ones((*test.mask.shape, 1), dtype=bool)
    for f, name in enumerate(test.formats):
        rows = np.flatnonzero(test.is_labelled[:, f])
        result[np.ix_(rows, test.registry.indices(name))] = False
    return result


def with_error(test: TestSet, unlabelled: float, labelled: float = 1.0) -> np.ndarray:
    """Predictions whose errors are `free_errors`, scaled apart."""
    scale = np.where(unlabelled_joints(test), unlabelled, labelled)
    return test.true + scale * free_errors(test)


def mean_relation(test: TestSet) -> np.ndarray:
    """A relation that says every joint lies at the mean of all."""
    count = len(test.registry)
    return np.full((count, count), 1 / count)


@pytest.fixture(scope="session")
def test() -> TestSet:
    return made_test_set()


@pytest.fixture(scope="session")
def outcome(test) -> Outcome:
    """Two seeds, all variants, curves and batch norm; a planted improvement of 20 %."""
    scales = {"separate": 1.05, "control": 1.0, "output": 0.8, "latent": 1.1, "hybrid": 0.9,
              "upper_bound": 0.75}  # fmt: skip
    predictions = {
        (seed, variant): with_error(test, scale) + seed
        for seed in (3, 4)
        for variant, scale in scales.items()
    }
    records = [
        {"step": i, "images": 32 * i, "seconds": 0.1 * i, "total": 1 / i, "3d/supervised": 0.9 / i,
         "3d/consistency": 0.1 / i, "dataset/synth_a": 0.2 / i, "dataset/synth_b": float("nan")}
        for i in range(1, 9)
    ]  # fmt: skip
    return Outcome(
        preset="full",
        seeds=(3, 4),
        test=test,
        predictions=predictions,
        relation=mean_relation(test),
        configs={"seed 3, control": "steps: 5 # <b>"},
        machine={"cores": 2, "seconds, all": 12.5},
        commands=("skelbridge reproduce mini --full",),
        learning_curves={key: records for key in predictions},
        batch_norm={
            (kind, phase): with_error(test, 1 + i / 10)
            for i, (kind, phase) in enumerate(
                [("normal", "without"), ("normal", "with"), ("ghost", "with")]
            )
        },
        notes=("A made-up outcome & nothing else.",),
    )


@pytest.fixture
def changed(outcome):
    """A function that gives the outcome with other fields."""
    return lambda **fields: dataclasses.replace(outcome, **fields)
