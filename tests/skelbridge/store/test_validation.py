"""`store validate` is quiet about good data, and catches what is planted."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from miniatures import scene

import skeleton_defs
from dataset_adapters import Adapter, DatasetInfo, ExampleBlock, Source
from dataset_adapters.camera import Camera
from skelbridge.store import prepare
from skelbridge.store.validation import validate_store
from skelbridge.store.validation_sheet import write_sheet
from skeleton_defs import UserError

SIZE = (320, 240)
SKELETON = "h36m_25"
N_FRAMES = 24


@dataclass(frozen=True)
class Walkers(Adapter):
    """Two people walking before two cameras, with 3D and 2D annotations; something may be wrong."""

    info = DatasetInfo(
        name="custom", title="walkers", kind="custom", homepage="", licence="", access="", paper="",
        skeletons=(SKELETON,), splits=("train",), tree="", items=(),
    )  # fmt: skip

    fault: str = ""

    def sources(self, root, split):
        return [Source("train", f"{person}") for person in range(2)]

    def read(self, root, source):
        person = int(source.key)
        poses = scene.poses(SKELETON, N_FRAMES, person=person)
        for number, camera in enumerate(scene.cameras(2, SIZE)):
            block = ExampleBlock(
                dataset="custom", split="train", skeleton=SKELETON, frames=np.arange(N_FRAMES),
                subject=f"S{person}", sequence=f"walk{person}", camera_name=f"{number}",
                images="picture.png", cameras=camera,
                joints3d=poses, joints2d=camera.project(poses),
            )  # fmt: skip
            yield FAULTS[self.fault](block)


def exchanged(block):
    flip = list(skeleton_defs.get(SKELETON).flip)
    return replace(block, joints3d=block.joints3d[:, flip], joints2d=block.joints2d[:, flip])


def in_metres(block):
    camera = block.cameras
    return replace(
        block, joints3d=block.joints3d / 1000, cameras=replace(camera, t=camera.t / 1000)
    )


def transposed(block):
    camera = block.cameras
    return replace(block, cameras=replace(camera, R=camera.R.T))


def shifted(block):
    return replace(block, joints3d=np.roll(block.joints3d, 8, axis=0))


def upside_down(block):
    return replace(block, cameras=replace(block.cameras, world_up=(0, 0, -1)))


def repeated(block):
    joints = np.repeat(block.joints3d[::2], 2, axis=0)
    return replace(block, joints3d=joints, joints2d=block.cameras.project(joints))


def reordered(block):
    order = np.roll(np.arange(25), 1)
    return replace(block, joints3d=block.joints3d[:, order], joints2d=block.joints2d[:, order])


def mixed_up(block):
    joints = block.joints3d.copy()
    joints[::2] *= 1.6
    return replace(block, joints3d=joints, joints2d=block.cameras.project(joints))


def mirrored_world(block):
    joints = block.joints3d * (-1, 1, 1)
    camera = Camera.at(
        block.cameras.center, block.cameras.R, block.cameras.K, world_up=(0, 0, 1), image_size=SIZE
    )
    return replace(block, joints3d=joints, joints2d=None, cameras=camera)


FAULTS = {
    "": lambda block: block,
    "exchanged": exchanged,
    "in_metres": in_metres,
    "transposed": transposed,
    "shifted": shifted,
    "upside_down": upside_down,
    "repeated": repeated,
    "reordered": reordered,
    "mixed_up": mixed_up,
    "mirrored_world": mirrored_world,
}


def validated(tmp_path, fault):
    scene.write_image(tmp_path / "root" / "picture.png", np.full((240, 320, 3), 90, np.uint8))
    # Pictures do not matter here, and the filters must not hide the fault.
    prepare(
        Walkers(fault=fault), tmp_path / "root", tmp_path / "store", images="reference",
        plausibility=False,
    )  # fmt: skip
    return validate_store(tmp_path / "store")


def test_good_data_is_clean(tmp_path):
    report = validated(tmp_path, "")
    assert report.is_clean, report.lines()
    assert report.groups[0].n_examples == 4 * N_FRAMES
    measured = [check.name for check in report.groups[0].checks if not np.isnan(check.value)]
    assert len(measured) == 12  # Every check applies.


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        ("exchanged", "face"),
        ("mirrored_world", "face"),
        ("in_metres", "torso"),
        ("transposed", "cannot see|outside|annotation|dropped"),
        ("shifted", "annotation"),
        ("upside_down", "upward"),
        ("repeated", "repeat"),
        ("reordered", "left and right limbs|torso"),
        ("mixed_up", "spread"),
    ],
)
def test_planted_faults_are_caught(tmp_path, fault, check):
    report = validated(tmp_path, fault)
    bad = [c.line() for group in report.groups for c in group.checks if c.is_bad]
    assert any(word in line for line in bad for word in check.split("|")), bad
    assert not report.is_clean and "beyond" in report.lines()[-1]


def test_units_are_guessed(tmp_path):
    lines = "\n".join(validated(tmp_path, "in_metres").lines())
    assert "the unit looks like metres" in lines


def test_sheets(tmp_path):
    import cv2

    report = validated(tmp_path, "")
    write_sheet(tmp_path / "store", tmp_path / "sheet.png", report)
    sheet = cv2.imread(str(tmp_path / "sheet.png"))[..., ::-1]
    # Left limbs are orange, right ones blue, as the legend says.
    for colour in ((255, 140, 0), (0, 170, 255)):
        assert (np.abs(sheet.astype(int) - colour).sum(axis=-1) < 30).sum() > 200
    write_sheet(tmp_path / "store", tmp_path / "sheet.html", report)
    page = (tmp_path / "sheet.html").read_text()
    assert "data:image/png;base64," in page and "clean" in page


def test_sheets_and_samples_that_cannot_be(tmp_path):
    with pytest.raises(UserError, match="samples must be at least 0"):
        validate_store(tmp_path, samples=-1)
    with pytest.raises(UserError, match=r"a\.doc: a sheet must be a \.png or a \.html"):
        write_sheet(tmp_path, tmp_path / "a.doc", None)
