"""The record: what is checked, and that rows and blocks say the same."""

import numpy as np
import pytest

from dataset_adapters.camera import Camera, intrinsics
from dataset_adapters.columns import CheckedJoints, LazyColumn, NumberedPaths
from dataset_adapters.examples import Example, ExampleBlock, ImageRef

CAMERA = Camera(np.eye(3), (0, 0, 3000), intrinsics(500, 500, 100, 80), image_size=(200, 160))
OTHER = Camera(np.eye(3), (100, 0, 3000), intrinsics(500, 500, 100, 80), image_size=(64, 48))


def joints(n, seed=0):
    values = np.random.default_rng(seed).uniform(-500, 500, (n, 16, 3))
    values[0, 3] = np.nan
    return values


def block(n=3, **changes):
    values = {
        "dataset": "toy",
        "split": "train",
        "skeleton": "mpii_16",
        "frames": np.arange(n),
        "sequence": "walk",
        "person": [f"p{i}" for i in range(n)],
        "images": [f"{i}.jpg" for i in range(n)],
        "cameras": CAMERA,
        "boxes": np.tile([1.0, 2, 3, 4], (n, 1)),
        "joints3d": joints(n),
        "extras": {"action": ["a"] * n},
    }
    return ExampleBlock(**{**values, **changes})


def test_a_row_is_an_example():
    whole = block()
    one = whole[1]
    assert isinstance(one, Example) and len(whole) == 3
    assert (one.sequence, one.person, one.frame) == ("walk", "p1", 1)
    assert one.image == ImageRef("1.jpg") and one.camera is CAMERA
    assert one.image_size == (200, 160) and one.extras == {"action": "a"}
    np.testing.assert_array_equal(one.joints3d, whole.joints3d[1])
    np.testing.assert_array_equal(one.box, [1, 2, 3, 4])
    assert whole[-1].person == "p2"
    with pytest.raises(IndexError):
        whole[3]


def test_validity_is_presence_unless_the_dataset_doubts_more():
    assert block().validity.sum(1).tolist() == [15, 16, 16]
    doubted = np.ones((3, 16), bool)
    doubted[1, :5] = False
    assert block(validity=doubted).validity.sum(1).tolist() == [15, 11, 16]
    both = block(joints2d=np.zeros((3, 16, 2)))
    assert both.validity.all()


def test_selecting_keeps_what_belongs_together():
    whole = block(cameras=[CAMERA, OTHER, CAMERA], video_frames=np.array([5, 6, 7]))
    part = whole.select(np.array([False, True, True]))
    assert [e.person for e in part] == ["p1", "p2"]
    assert part[0].camera is OTHER and part[0].image == ImageRef("1.jpg", 6)
    assert part[0].image_size == (64, 48)
    assert [e.person for e in whole.select([2, 0])] == ["p2", "p0"]
    assert [e.frame for e in whole.select(slice(1, 2))] == [1]


def test_selected_rows_are_those_of_a_block_made_of_them():
    whole = block(validity=np.ones((3, 16), bool), notes=("n",), mirrored=True, bayer="GRBG")
    part, again = whole.select([2, 0]), block(joints3d=joints(3)[[2, 0]], n=2)
    np.testing.assert_array_equal(part.joints3d, again.joints3d)
    np.testing.assert_array_equal(part.validity, again.validity)
    assert part.notes == ("n",) and part.extras == {"action": ["a", "a"]}
    assert part.image_ref(1) == ImageRef("0.jpg", None, True, "GRBG") == part[1].image
    assert len(whole) == 3 and whole.image_ref(1).path == "1.jpg"


class Squares(LazyColumn):
    def value(self, row):
        assert row != 1, "nobody asked for it"
        return {"size": row * row}


def test_lazy_columns_stay_lazy():
    part = block(masks=Squares(3)).select([2, 1])
    assert part.masks[0] == {"size": 4} and len(part.masks) == 2
    assert part.select([0])[0].mask == {"size": 4}
    with pytest.raises(IndexError):
        part.masks[2]


def test_numbered_paths():
    paths = NumberedPaths("a/img_", np.array([7, 123456, 0]), width=5, suffix=".jpg")
    assert list(paths) == ["a/img_00007.jpg", "a/img_123456.jpg", "a/img_00000.jpg"]
    assert [e.image.path for e in block(images=paths).select([1])] == ["a/img_123456.jpg"]


def test_blocks_share_joints_that_were_checked_once(monkeypatch):
    values = joints(4)
    take = CheckedJoints(values)
    monkeypatch.setattr("dataset_adapters.columns._presence", None)
    left, right = block(4, joints3d=take), block(2, joints3d=take[:2])
    assert np.shares_memory(left.joints3d, values) and np.shares_memory(right.joints3d, values)
    np.testing.assert_array_equal(right.joints3d, values[:2])
    assert right.validity.sum(1).tolist() == [15, 16]
    chosen = block(2, joints3d=take[np.array([3, 0])])
    assert chosen.validity.sum(1).tolist() == [16, 15] and len(take[1:]) == 3
    with pytest.raises(ValueError, match="read-only"):
        left.joints3d[0] = 0
    some = take.of_joints([3, 0])
    np.testing.assert_array_equal(some.values, values[:, [3, 0]])
    assert some.is_present.tolist() == [[False, True], *[[True, True]] * 3]


def test_the_block_of_one_example_gives_it_back():
    one = block()[0]
    again = ExampleBlock.of(one)[0]
    for name in ("dataset", "split", "skeleton", "sequence", "person", "frame", "image", "camera"):
        assert getattr(again, name) == getattr(one, name), name
    np.testing.assert_array_equal(again.joints3d, one.joints3d)


def test_projection_prefers_annotated_pixels():
    seen = block().projected()
    np.testing.assert_allclose(seen[1], CAMERA.project(joints(3)[1]))
    np.testing.assert_allclose(block()[1].projected, seen[1])
    marked = np.full((3, 16, 2), 7.0)
    np.testing.assert_array_equal(block(joints2d=marked).projected(), marked)
    assert block(cameras=None).projected() is None
    several = block(cameras=[CAMERA, OTHER, CAMERA]).projected()
    np.testing.assert_allclose(several[1], OTHER.project(joints(3)[1]))


def test_an_image_size_given_once_is_for_all_rows():
    assert [block(image_sizes=(20, 10)).image_size(i) for i in range(3)] == [(20, 10)] * 3
    two = block(n=2, image_sizes=[(20, 10), (30, 40)], cameras=None)
    assert [e.image_size for e in two] == [(20, 10), (30, 40)]


@pytest.mark.parametrize(
    "changes, fragment",
    [
        ({"split": "val"}, "split must be one of"),
        ({"skeleton": "mpii_17"}, "mpii_16"),
        ({"frames": np.arange(3.0)}, "frames must be integers"),
        ({"frames": np.zeros((3, 1), int)}, "frames must have one axis"),
        ({"person": ["a"]}, "person must have 3 rows"),
        ({"cameras": [CAMERA]}, "cameras must have 3 rows"),
        ({"boxes": np.zeros((3, 5))}, r"boxes must have shape \(3, 4\)"),
        ({"boxes": np.full((3, 4), -1.0)}, "widths and heights of at least 0"),
        ({"boxes": np.full((3, 4), np.nan)}, "boxes must be numbers"),
        ({"joints3d": np.zeros((3, 17, 3))}, r"joints3d must have shape \(3, 16, 3\)"),
        ({"joints3d": np.full((3, 16, 3), np.inf)}, "no infinite numbers"),
        ({"joints3d": np.full((3, 16, 3), [0, 0, np.nan])}, "NaN in all coordinates or none"),
        ({"joints3d": None}, "joints3d or joints2d must be given"),
        ({"validity": np.ones((3, 4), bool)}, r"validity must have shape \(3, 16\)"),
        ({"extras": {"action": ["a"]}}, "extras\\['action'\\] must have 3 rows"),
        ({"joints3d": CheckedJoints(np.zeros((3, 17, 3)))}, r"joints3d must have shape \(3, 16"),
        ({"bayer": "RGB"}, "bayer must be one of"),
        ({"video_frames": np.arange(2)}, r"video_frames must have shape \(3,\)"),
    ],
)
def test_what_does_not_fit_is_refused(changes, fragment):
    with pytest.raises(ValueError, match=fragment):
        block(**changes)


def test_an_example_is_checked_on_construction():
    with pytest.raises(ValueError, match="joints2d must have shape"):
        Example("toy", "train", "mpii_16", joints2d=np.zeros((17, 2)))
    one = Example("toy", "train", "mpii_16", joints2d=np.zeros((16, 2)))
    assert one.validity.all() and one.box is None
