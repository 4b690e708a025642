"""Pixels and labels together: dots drawn in pictures land where the labels say."""

import numpy as np
import pytest
from scipy import ndimage

from dataset_adapters.camera import Camera
from dataset_adapters.examples import ExampleBlock
from skelbridge.data import (
    Augmentation,
    BatchPlan,
    ColourCorrection,
    Composition,
    CropOptions,
    ExampleLoader,
    evaluation_batches,
)
from skelbridge.data.labels import JointVector
from skelbridge.store import open_store, write_blocks
from skeleton_defs import JointRegistry, UserError

GEOMETRY_ONLY = Augmentation(colour=False, occlusion=0, background=0)
SIDE_OF_COLOUR = ("left", "right", "centre")
RED, GREEN, BLUE = 0, 1, 2
CHANNEL = {"left": RED, "right": BLUE, "centre": GREEN}
ALL = Composition({"pinhole": 4, "lens": 4}, {"flat": 4})


def arrays_of(store, registry, *, steps=6, augmentation=GEOMETRY_ONLY, composition=ALL, **options):
    """Returns several batches as one."""
    plan = BatchPlan.of_store(store, composition, seed=1)
    loader = ExampleLoader(store, registry, seed=1, augmentation=augmentation, **options)
    loaded = [loader.load(plan.at(step)) for step in range(steps)]
    return {name: np.concatenate([batch[name] for batch in loaded]) for name in loaded[0]}


def found_dot(image, place, channel, reach):
    """Returns the centre of the dot of one colour near a place, and how strong it is."""
    x, y = np.round(place).astype(int)
    around = np.s_[y - reach : y + reach + 1, x - reach : x + reach + 1, channel]
    part = np.maximum(image[around] - 0.05, 0)
    if part.sum() == 0:
        return np.full(2, np.nan), 0.0
    row, column = ndimage.center_of_mass(part)
    return np.array([x - reach + column, y - reach + row]), float(part.max())


def check_dots(arrays, registry, *, tolerance=0.25, reach=9):
    """Compares every joint well within its crop with the picture; returns how many."""
    side = arrays["image"].shape[1]
    n = 0
    for b in range(len(arrays["image"])):
        is_flipped = np.linalg.det(arrays["R_world"][b]) < 0
        for j in np.flatnonzero(arrays["in_crop"][b]):
            place = arrays["joints2d"][b, j].astype(float)
            if (place < reach + 1).any() or (place > side - reach - 2).any():
                continue
            # The picture was mirrored and the joints exchanged: the left joint's dot was drawn for
            # the right one.
            name = registry.sides[registry.flip[j] if is_flipped else j]
            found, strength = found_dot(arrays["image"][b], place, CHANNEL[name], reach)
            assert strength > 0.3
            assert np.abs(found - place).max() < tolerance
            n += 1
    return n


def test_dots_are_where_the_labels_say(dot_store, registry):
    arrays = arrays_of(dot_store, registry)
    assert check_dots(arrays, registry) > 300
    assert 10 < (np.linalg.det(arrays["R_world"]) < 0).sum() < 62


@pytest.mark.parametrize("side", [96, 151, 384])
def test_at_any_size(dot_store, registry, side):
    options = CropOptions(side=side)
    arrays = arrays_of(dot_store, registry, steps=2, crop=options)
    assert arrays["image"].shape[1:] == (side, side, 3)
    assert check_dots(arrays, registry, tolerance=0.35) > 60


def test_with_full_turns_and_strong_zoom(dot_store, registry):
    augmentation = Augmentation(
        colour=False, occlusion=0, background=0, rotation_degrees=180, zoom=(0.5, 2), shift=0.3
    )
    assert check_dots(arrays_of(dot_store, registry, augmentation=augmentation), registry) > 200


def test_with_parts_of_boxes(dot_store, registry):
    augmentation = Augmentation(colour=False, occlusion=0, background=0, partial_visibility=1)
    arrays = arrays_of(dot_store, registry, augmentation=augmentation)
    # Dots are larger here.
    assert check_dots(arrays, registry, reach=20) > 50
    # Parts are shown larger.
    whole = arrays_of(dot_store, registry)
    assert arrays["K"][:, 0, 0].mean() > 1.2 * whole["K"][:, 0, 0].mean()


def test_shrinking_first_moves_nothing(dot_store, registry):
    augmentation = Augmentation(
        colour=False, occlusion=0, background=0, zoom=(0.5, 0.5), rotation_degrees=5, shift=0
    )
    for shrinks in (True, False):
        crop = CropOptions(side=160, shrinks_first=shrinks)
        arrays = arrays_of(dot_store, registry, augmentation=augmentation, crop=crop)
        near = np.full(len(arrays["image"]), 0)
        for b in range(len(near)):
            for place in arrays["joints2d"][b][arrays["in_crop"][b]]:
                x, y = np.round(place).astype(int)
                part = arrays["image"][b, max(y - 4, 0) : y + 5, max(x - 4, 0) : x + 5].sum(-1)
                if part.shape != (9, 9) or (place < 20).any() or (place > 140).any():
                    continue
                row, column = ndimage.center_of_mass(np.maximum(part - 0.05, 0))
                assert np.abs([x - 4 + column, y - 4 + row] - place).max() < 0.35
                near[b] += 1
        assert near.sum() > 100


def test_3d_joints_project_to_2d_joints(dot_store, registry):
    arrays = arrays_of(dot_store, registry)
    assert arrays["mask3d"].any(1).tolist() == arrays["is_3d"].tolist()
    for b in np.flatnonzero(arrays["is_3d"]):
        mask = arrays["mask3d"][b]
        assert mask.sum() == 9
        assert np.array_equal(mask, arrays["mask2d"][b])
        projected = arrays["joints3d"][b, mask].astype(float) @ arrays["K"][b].T.astype(float)
        projected = projected[:, :2] / projected[:, 2:]
        assert np.abs(projected - arrays["joints2d"][b, mask]).max() < 2e-3
    for name in ("joints3d", "joints2d"):
        assert (arrays[name][~arrays[f"mask{name[-2:]}"]] == 0).all()


def test_the_rotation_brings_back_the_world(dot_store, registry):
    """Directions between joints, turned back, are those of the world; left and right exchanged."""
    arrays = arrays_of(dot_store, registry, steps=3)
    n_flipped = 0
    for b in np.flatnonzero(arrays["is_3d"]):
        example = dot_store[int(arrays["example"][b])]
        channels = registry.indices(example.skeleton)
        R = arrays["R_world"][b].astype(float)
        is_flipped = np.linalg.det(R) < 0
        n_flipped += is_flipped
        joints = arrays["joints3d"][b].astype(float)
        joints = (joints[registry.flip] if is_flipped else joints)[channels]
        known = example.validity
        world = joints[known] @ R
        expected = example.joints3d[known]
        assert np.abs((world - world[0]) - (expected - expected[0])).max() < 0.01
        # And the camera's place is that of the original one.
        distance = np.linalg.norm(joints[known], axis=1)
        assert np.allclose(
            distance, np.linalg.norm(expected - example.camera.center, axis=1), rtol=1e-5
        )
    assert n_flipped > 5


def test_flip_twice_is_nothing(dot_store, registry):
    """A mirrored crop, mirrored by hand, is the plain crop."""
    options = {"batch_size": 40, "workers": 1}
    (plain,) = evaluation_batches(dot_store, registry, range(33), **options)
    (flipped,) = evaluation_batches(dot_store, registry, range(33), flip=True, **options)
    assert np.abs(flipped["image"][:, :, ::-1] - plain["image"]).max() < 0.03
    back = flipped["joints3d"][:, registry.flip] * (-1, 1, 1)
    assert np.abs(back - plain["joints3d"]).max() < 1e-2
    masks = flipped["mask2d"][:, registry.flip]
    assert np.array_equal(masks, plain["mask2d"])
    back = flipped["joints2d"][:, registry.flip] * (-1, 1) + (255, 0)
    assert np.abs(back - plain["joints2d"])[masks].max() < 1e-3


def test_evaluation_keeps_the_order_and_stops(dot_store, registry):
    order = np.array([5, 3, 40, 12, 25])
    loaded = list(evaluation_batches(dot_store, registry, order, batch_size=2, workers=2))
    assert [len(b["example"]) for b in loaded] == [2, 2, 1]
    assert np.concatenate([b["example"] for b in loaded]).tolist() == order.tolist()
    has_3d = [dot_store[int(i)].joints3d is not None for i in order]
    assert np.concatenate([b["is_3d"] for b in loaded]).tolist() == has_3d


def test_low_joints_are_missing_for_2d_only(dot_store, registry):
    """With the border at 0.5, all joints of the lower half of the image go."""
    arrays = arrays_of(dot_store, registry, steps=3, crop=CropOptions(border_2d=0.5))
    for b in range(len(arrays["image"])):
        example = dot_store[int(arrays["example"][b])]
        expected = example.validity.sum()
        if not arrays["is_3d"][b]:
            expected = (example.validity & (example.joints2d[:, 1] <= 240)).sum()
        assert arrays["mask2d"][b].sum() == expected
    default = arrays_of(dot_store, registry, steps=1)
    assert (default["mask2d"].sum(1) == 9).all()


def test_kilometres_cost_no_precision(tmp_path, registry, dot_maker):
    """A person 5 km from the world's origin: labels are as precise as near it."""
    rng = np.random.default_rng(4)
    columns, pictures = dot_maker.camera_rows(rng, 4, distortion=None, skeleton="h36m_17")
    far = np.array([5e6, -3e6, 1e6])
    moved = [
        Camera(R=c.R, t=c.t - c.R @ far, K=c.K, world_up=c.world_up, image_size=c.image_size)
        for c in columns["cameras"]
    ]
    dot_maker.write(tmp_path, "near", "h36m_17", columns, pictures)
    changed = {"cameras": moved, "joints3d": columns["joints3d"] + far}
    dot_maker.write(tmp_path, "far", "h36m_17", columns | changed, pictures)
    (arrays,) = evaluation_batches(open_store(tmp_path), registry, range(8), workers=1)
    assert np.abs(arrays["joints3d"][:4] - arrays["joints3d"][4:]).max() < 0.01
    assert np.abs(arrays["joints2d"][:4] - arrays["joints2d"][4:]).max() < 0.01


def test_a_registry_takes_the_points_it_shares_with_a_format(dot_store):
    """H36M's 17 joints are among its 25; those of other families are not there at all."""
    vector = JointVector(JointRegistry(["h36m_25"]))
    joints, channels = vector.places("h36m_17")
    assert len(joints) == len(channels) >= 14
    with pytest.raises(UserError, match="no joint of 'coco_17' is in the joint registry.*h36m_25"):
        vector.places("coco_17")
    assert len(vector.places("coco_17", is_3d=False)[0]) == 0 < len(vector.stand_ins("coco_17")[0])
    registry = JointRegistry(["h36m_25"])
    arrays = arrays_of(dot_store, registry, steps=1, composition=Composition({"pinhole": 3}))
    assert arrays["joints3d"].shape[1] == 25
    assert arrays["mask3d"].any(1).all()


def test_2d_labels_of_formats_that_are_not_predicted_count_for_body_parts(dot_store):
    """A label is in the channel of the same body part, and each body part has one label."""
    both = JointRegistry(["h36m_17", "mpii_16"])
    h36m, mpii = both.skeletons
    alone = JointRegistry(["h36m_17"])
    joints, channels = JointVector(alone).stand_ins("mpii_16")
    parts = [mpii.group[mpii.joints[j]] for j in joints]
    order = list(alone.indices(h36m))
    assert parts == [h36m.group[h36m.joints[order.index(c)]] for c in channels]
    assert len(set(parts)) == len(parts) > 12
    assert {f"{side}_{part}" for side in ("left", "right") for part in ("hip", "wrist")} < {*parts}

    composition = Composition({"pinhole": 4}, {"flat": 4})
    expected = arrays_of(dot_store, both, composition=composition)
    found = arrays_of(dot_store, alone, composition=composition)
    assert check_dots(found, alone) > 200
    is_2d = ~found["is_3d"]
    of_mpii = np.array(both.indices(mpii))[joints]
    for name in ("joints2d", "mask2d", "in_crop"):
        assert np.array_equal(found[name][is_2d][:, channels], expected[name][is_2d][:, of_mpii])
        of_h36m = expected[name][~is_2d][:, both.indices(h36m)]
        assert np.array_equal(found[name][~is_2d][:, order], of_h36m)
    others = np.setdiff1d(np.arange(len(alone)), channels)
    assert found["mask2d"][is_2d][:, channels].any(0).all()
    assert not found["mask2d"][is_2d][:, others].any() and not found["mask3d"][is_2d].any()
    # Where labels are to be compared joint by joint, nothing stands for anything.
    indices = np.flatnonzero(~dot_store.batch(np.arange(33)).has_camera)[:3]
    with pytest.raises(UserError, match="no joint of 'mpii_16'"):
        next(evaluation_batches(dot_store, alone, indices))


def test_uint8_pictures_are_the_same(dot_store, registry):
    floats = arrays_of(dot_store, registry, steps=1, augmentation=Augmentation())
    crop = CropOptions(image_dtype="uint8")
    integers = arrays_of(dot_store, registry, steps=1, augmentation=Augmentation(), crop=crop)
    assert integers["image"].dtype == np.uint8
    assert np.array_equal(
        floats["image"], integers["image"].astype(np.float32) * np.float32(1 / 255)
    )
    assert floats["image"].max() <= 1


def test_backgrounds_change_outside_of_silhouettes_only(dot_store, registry):
    """The silhouette is the box: dots inside stay, the black around them goes."""
    mask_only = Composition({"masked": 6})
    replaced = Augmentation(colour=False, occlusion=0, background=1, flip=0)
    kept = Augmentation(colour=False, occlusion=0, background=0, flip=0)
    after = arrays_of(dot_store, registry, augmentation=replaced, composition=mask_only)
    before = arrays_of(dot_store, registry, augmentation=kept, composition=mask_only)
    assert np.array_equal(after["joints2d"], before["joints2d"])
    assert check_dots(after, registry) > 100
    changed = (after["image"] != before["image"]).any(-1)
    shares = changed.mean((1, 2))
    assert (shares > 0.05).all()
    assert (shares < 0.95).all()
    other = Augmentation(
        colour=False, occlusion=0, background=1, flip=0, background_of={"masked": 0}
    )
    same = arrays_of(dot_store, registry, augmentation=other, composition=mask_only)
    assert np.array_equal(same["image"], before["image"])


def test_occlusion_covers_a_part_of_the_crops(dot_store, registry):
    always = Augmentation(colour=False, background=0, occlusion=1)
    never = GEOMETRY_ONLY
    plain = arrays_of(dot_store, registry, augmentation=never)["image"]
    changed = (arrays_of(dot_store, registry, augmentation=always)["image"] != plain).any(-1)
    shares = changed.mean((1, 2))
    assert (shares > 0).mean() > 0.9
    assert shares.max() < 0.8
    half = Augmentation(colour=False, background=0, occlusion=0.5)
    changed = (arrays_of(dot_store, registry, augmentation=half)["image"] != plain).any((1, 2, 3))
    assert 0.3 < changed.mean() < 0.7


def test_corrections_are_of_their_dataset(dot_store, registry):
    crop = CropOptions(corrections={"pinhole": ColourCorrection(gamma=0.5)})
    plain = arrays_of(dot_store, registry, steps=1)["image"]
    corrected = arrays_of(dot_store, registry, steps=1, crop=crop)["image"]
    assert np.abs(corrected[:4] - np.sqrt(plain[:4])).max() < 0.003
    assert np.array_equal(corrected[4:], plain[4:])
    elsewhere = ColourCorrection(gamma=0.5, sequences=("TS*",))
    crop = CropOptions(corrections={"pinhole": elsewhere})
    assert np.array_equal(arrays_of(dot_store, registry, steps=1, crop=crop)["image"], plain)


def test_an_example_without_a_picture_is_told(tmp_path, registry, dot_maker):
    rng = np.random.default_rng(0)
    columns, _ = dot_maker.camera_rows(rng, 2, distortion=None, skeleton="h36m_17")
    block = ExampleBlock("blind", "train", "h36m_17", np.arange(2), **columns)
    write_blocks(tmp_path, "blind", [(block, None)])
    with pytest.raises(UserError, match="example 0 .blind. has no picture to train on"):
        list(evaluation_batches(open_store(tmp_path), registry, range(2), workers=1))
