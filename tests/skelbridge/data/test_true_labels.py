"""labels="all": what rendered people have in all formats, against the truth by another way."""

import numpy as np
import pytest

from skelbridge.data import (
    Augmentation,
    BatchPlan,
    Composition,
    CropOptions,
    ExampleLoader,
    evaluation_batches,
)
from skelbridge.store import open_store
from skelbridge.synth import SynthOptions, synthesize, true_joints
from skeleton_defs import JointRegistry, UserError

FORMATS = ("smpl_24", "h36m_17", "coco_17")
ALL = Composition({"synth_a": 3, "synth_b": 2, "synth_c": 1}, {"synth_2d": 2})
WILD = Augmentation(flip=0.5, rotation_degrees=30, zoom=(0.7, 1.4), background=0, occlusion=0)


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    path = tmp_path_factory.mktemp("people") / "store"
    synthesize(path, SynthOptions(domains=3, examples=18, two_d=4, test=2, size=64))
    return open_store(path)


@pytest.fixture(scope="module")
def registry():
    return JointRegistry(FORMATS)


def loaded(people, registry, labels, *, steps=4, **options):
    loader = ExampleLoader(
        people, registry, seed=2, crop=CropOptions(side=96), labels=labels,
        **{"augmentation": WILD} | options,
    )  # fmt: skip
    plan = BatchPlan.of_store(people, ALL, seed=2)
    batches = [loader.load(plan.at(step)) for step in range(steps)]
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def test_joints_are_the_true_ones_seen_by_the_crop_camera(people, registry):
    arrays = loaded(people, registry, "all")
    is_flipped = np.linalg.det(arrays["R_world"]) < 0
    assert 4 < is_flipped[arrays["is_3d"]].sum() < 20
    for i in np.flatnonzero(arrays["is_3d"]):
        example = people[int(arrays["example"][i])]
        true = np.concatenate([true_joints(example, name, store=people) for name in FORMATS])
        assert np.isfinite(true).all() and arrays["mask3d"][i].all()
        camera = example.camera
        center = -camera.R.T @ camera.t
        expected = (true - center) @ arrays["R_world"][i].astype(float).T
        if is_flipped[i]:
            expected = expected[registry.flip]
        np.testing.assert_allclose(arrays["joints3d"][i], expected, atol=0.05)


def test_projections_land_on_the_2d_joints(people, registry):
    arrays = loaded(people, registry, "all")
    rows = np.flatnonzero(arrays["is_3d"])
    seen = np.einsum("bij,bnj->bni", arrays["K"][rows], arrays["joints3d"][rows])
    np.testing.assert_allclose(seen[..., :2] / seen[..., 2:], arrays["joints2d"][rows], atol=0.01)
    assert arrays["mask2d"][rows].all()


def test_all_else_is_as_with_own_labels(people, registry):
    own, true = (loaded(people, registry, labels) for labels in ("own", "all"))
    for name in ("image", "K", "R_world", "is_3d", "dataset", "example"):
        np.testing.assert_array_equal(own[name], true[name])
    # Where there are labels of the dataset's own format, they are the same joints.
    assert (own["mask3d"] <= true["mask3d"]).all()
    assert own["mask3d"][own["is_3d"]].mean() < 0.6
    there = own["mask3d"]
    np.testing.assert_allclose(own["joints3d"][there], true["joints3d"][there], atol=0.5)
    # Of people without 3D labels nothing more is known.
    for name in ("joints3d", "mask3d", "joints2d", "mask2d"):
        np.testing.assert_array_equal(own[name][~own["is_3d"]], true[name][~own["is_3d"]])


def test_a_mirrored_crop_is_the_mirror_image(people, registry):
    options = {"crop": CropOptions(side=96), "labels": "all", "workers": 1, "batch_size": 16}
    plain, mirrored = (
        next(iter(evaluation_batches(people, registry, np.arange(16), flip=flip, **options)))
        for flip in (False, True)
    )
    known = plain["mask3d"].all(1)
    assert known.sum() > 8 and not known.all()  # the others have 2D labels only
    plain, mirrored = ({n: v[known] for n, v in batch.items()} for batch in (plain, mirrored))
    other = mirrored["joints3d"][:, registry.flip] * np.float32([-1, 1, 1])
    np.testing.assert_allclose(other, plain["joints3d"], atol=0.05)
    x = 95 - mirrored["joints2d"][:, registry.flip, 0]
    np.testing.assert_allclose(x, plain["joints2d"][..., 0], atol=0.01)
    assert np.abs(mirrored["image"][:, :, ::-1] - plain["image"]).mean() < 0.01


def test_bitwise_the_same_for_several_threads(people, registry):
    options = {"crop": CropOptions(side=96), "labels": "all", "batch_size": 16}
    one, two = (
        list(evaluation_batches(people, registry, np.arange(16), workers=n, **options))
        for n in (1, 3)
    )
    for name, values in one[0].items():
        np.testing.assert_array_equal(values, two[0][name])


def test_photographs_have_no_true_joints(dot_store, registry):
    loader = ExampleLoader(dot_store, registry, labels="all")
    plan = BatchPlan.of_store(dot_store, Composition({"pinhole": 2}), seed=0)
    with pytest.raises(UserError, match="has labels in h36m_17 only; true joints in all formats"):
        loader.load(plan.at(0))
