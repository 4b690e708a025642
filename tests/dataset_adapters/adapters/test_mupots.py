import io

import numpy as np
import pytest
from miniature_copies import copy_of, overwrite, read_damaged
from scipy.io import savemat

from dataset_adapters import get_adapter
from dataset_adapters.adapter import Source
from dataset_adapters.adapters._pinhole_fit import fit_intrinsics
from dataset_adapters.camera import Camera, intrinsics
from dataset_adapters.containers.errors import FileError
from dataset_adapters.containers.mat import read_mat

TS1 = Source("test", "TS1")


@pytest.fixture
def root(tmp_path):
    return copy_of("mupots", tmp_path)


def test_the_fit_is_noted_and_projects(root):
    (block,) = get_adapter("mupots").read(root, TS1)
    assert block.notes[0].startswith("intrinsics fitted")
    off = block.cameras.project(block.joints3d) - block.joints2d
    assert np.abs(off).max() < 1
    assert block.extras["universal_joints"].shape == block.joints3d.shape
    assert block.extras["occluded"].shape == block.joints3d.shape[:2]


def test_occlusions_are_those_of_the_person(root):
    (block,) = get_adapter("mupots").read(root, TS1)
    labels = read_mat(root / "TS1" / "occlusion.mat")["occlusion_labels"]
    for example in block:
        expected = labels[example.frame, int(example.person)].ravel() > 0
        assert example.extras["occluded"].tolist() == expected.tolist()


def test_prefixed_folder_and_no_occlusions(root):
    (root / "TS1" / "occlusion.mat").unlink()
    expected = list(get_adapter("mupots").examples(root))
    (root / "MultiPersonTestSet").mkdir()
    for folder in root.glob("TS*"):
        folder.rename(root / "MultiPersonTestSet" / folder.name)
    found = list(get_adapter("mupots").examples(root))
    assert [e.image.path for e in found] == [f"MultiPersonTestSet/{e.image.path}" for e in expected]


def rewrite(path, change):
    values = read_mat(path)
    change(values)
    data = io.BytesIO()
    savemat(data, values)
    overwrite(path, data.getvalue())


def test_entries_of_absent_people_may_hold_anything(root):
    before = next(get_adapter("mupots").read(root, TS1))

    def spoil(values):
        for person in values["annotations"].ravel():
            if not person["isValidFrame"].any():
                person["annot3"] = np.full((3, 17), np.inf)
                person["annot2"] = np.zeros((0, 0))

    rewrite(root / "TS1" / "annot.mat", spoil)
    after = next(get_adapter("mupots").read(root, TS1))
    np.testing.assert_array_equal(after.joints3d, before.joints3d)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda v: v.pop("annotations"), "expected a variable 'annotations', found"),
        (lambda v: v.update(annotations=np.eye(2)), "expected a cell of frames x people"),
        (lambda v: v["annotations"].__setitem__((0, 0), "x"), "expected a dict in each cell"),
        (lambda v: v["annotations"][0, 0].pop("annot3"), "expected the field 'annot3', missing"),
        (
            lambda v: v["annotations"][0, 0].update(annot3=np.eye(3)),
            r"annotations.annot3: expected numbers of shape",
        ),
    ],
)
def test_annotation_errors(root, change, message):
    rewrite(root / "TS1" / "annot.mat", change)
    with pytest.raises(FileError, match=message):
        list(get_adapter("mupots").read(root, TS1))


def test_occlusions_of_another_shape(root):
    rewrite(
        root / "TS1" / "occlusion.mat",
        lambda v: v.update(occlusion_labels=v["occlusion_labels"][:1, :1]),
    )
    with pytest.raises(FileError, match="as in annot.mat"):
        list(get_adapter("mupots").read(root, TS1))


def test_damaged_files(root):
    read_damaged(get_adapter("mupots"), root, TS1, root / "TS1" / "annot.mat", count=80)
    read_damaged(get_adapter("mupots"), root, TS1, root / "TS1" / "occlusion.mat", count=40)


def test_points_at_the_camera_do_not_spoil_the_fit():
    rng = np.random.default_rng(0)
    points = rng.uniform(-500, 500, (20, 3)) + np.array([0, 0, 3000])
    K = intrinsics(1500, 1510, 960, 540)
    pixels = Camera(np.eye(3), np.zeros(3), K).image_from_camera(points)
    points[3] = (1e6, 1e6, 1e-300)
    points[4] = np.nan
    np.testing.assert_allclose(fit_intrinsics(points, pixels), K, rtol=1e-9)
    assert fit_intrinsics(points[3:5], pixels[3:5]) is None
