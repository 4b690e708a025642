import json

import numpy as np
import pytest
from miniature_copies import copy_of, master, overwrite, read_damaged

from dataset_adapters import get_adapter
from dataset_adapters.adapter import Source
from dataset_adapters.containers.errors import FileError

ADAPTER = get_adapter("aspset")
CLIP = Source("train", "04ac-0026-mid")
CAMERA = "data/trainval/cameras/04ac/04ac-mid.json"
BOXES = "data/trainval/boxes/04ac/04ac-0026-mid.csv"
JOINTS = "data/trainval/joints_3d/04ac/04ac-0026.c3d"


@pytest.fixture
def root(tmp_path):
    return copy_of("aspset", tmp_path)


def test_published_projection(root):
    """The world point and its pixel that the sheet states for 04ac, right."""
    K = [3908.201416, 0, 1907.136108, 0, 0, 3904.39502, 1082.651855, 0, 0, 0, 1, 0]
    Rt = [0.355310, -0.037651, 0.933990, -16513.444863,
          0.010982, 0.999288, 0.036106, -694.394037,
          -0.934684, -0.002572, 0.355470, 12560.579233, 0, 0, 0, 1]  # fmt: skip
    path = root / CAMERA.replace("mid", "right")
    nested = {
        "intrinsic_matrix": np.reshape(K, (3, 4)).tolist(),
        "extrinsic_matrix": np.reshape(Rt, (4, 4)).tolist(),
    }
    for values in ({"intrinsic_matrix": K, "extrinsic_matrix": Rt}, nested):
        overwrite(path, json.dumps(values).encode())
        (block,) = ADAPTER.read(root, Source("train", "04ac-0026-right"))
        pixel = block.cameras.project(np.array([-518.131775, 1121.474, 18538.8398]))
        np.testing.assert_allclose(pixel, (2021.668, 1299.421), atol=2e-3)


def test_boxes_are_edges(root):
    (block,) = ADAPTER.read(root, CLIP)
    lines = (root / BOXES).read_text().split("\n")
    left, top, right, bottom = map(float, lines[1].split(","))
    np.testing.assert_allclose(block.boxes[0], (left, top, right - left, bottom - top))
    assert len(block.boxes) == len(block) > 1


def test_boxes_may_end_early_or_be_left_out(root):
    (whole,) = ADAPTER.read(root, CLIP)
    lines = (root / BOXES).read_text().split("\n")
    overwrite(root / BOXES, "\n".join(lines[:2]).encode())
    (block,) = ADAPTER.read(root, CLIP)
    assert len(block) == 1
    assert (
        block.notes[-1] == f"{len(whole) - 1} of {len(whole)} frames have no box and are left out"
    )
    (block,) = get_adapter("aspset", boxes=False).read(root, CLIP)
    assert len(block) == len(whole) and block.boxes is None
    (root / BOXES).unlink()
    (block,) = ADAPTER.read(root, CLIP)
    assert len(block) == len(whole) and block.boxes is None


def test_views_and_splits():
    keys = {split: [s.key for s in ADAPTER.sources(master("aspset"), split)]
            for split in ("train", "valid", "test")}  # fmt: skip
    assert keys["train"] == ["04ac-0026-left", "04ac-0026-mid", "04ac-0026-right"]
    assert len(keys["valid"]) == 3 and keys["test"] == ["1e28-0006-mid"]


def test_test_clips_without_joints_are_left_out(root):
    (root / "data/test/joints_3d/1e28/1e28-0006.c3d").unlink()
    assert ADAPTER.sources(root, "test") == []


def test_folder_below(root):
    expected = [e.image.path for e in ADAPTER.examples(root)]
    found = [f"data/{e.image.path}" for e in ADAPTER.examples(root / "data")]
    assert found == expected


def edit(name, change):
    def apply(root):
        overwrite(root / name, change((root / name).read_text()).encode())

    return apply


def relabel(root):
    data = (root / JOINTS).read_bytes()
    assert b"pelvis" in data
    overwrite(root / JOINTS, data.replace(b"pelvis", b"pelvic"))


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda r: (r / JOINTS).unlink(), "04ac-0026.c3d: cannot be read"),
        (relabel, r"POINT:LABELS: expected the 17 joints of ASPset \(right_ankle, ...\), found 17"),
        (edit(CAMERA, lambda t: "{}"), "expected the key 'intrinsic_matrix', found none"),
        (
            edit(CAMERA, lambda t: '{"intrinsic_matrix": [1], "extrinsic_matrix": []}'),
            "intrinsic_matrix: expected 12 numbers",
        ),
        (edit(BOXES, lambda t: t[: t.rindex(",")]), "expected 4 numbers, found 3"),
        (edit(BOXES, lambda t: "h\n1,2,0,4\n"), "line 2: expected left, top, right, bottom"),
        (edit(BOXES, lambda t: "h\n1,2,x,4\n"), "line 2: expected numbers, found 'x'"),
        (
            lambda r: (r / "data/trainval/videos/04ac/04ac-0026-mid.mkv").unlink(),
            "expected a video, found none; unpack",
        ),
    ],
)
def test_errors(root, change, message):
    change(root)
    with pytest.raises(FileError, match=message):
        list(ADAPTER.read(root, CLIP))


@pytest.mark.parametrize(
    "line", ["04ac,0026,train", "04ac,0026,dev,all", "04ac,0026,val,top", "../x,0026,val,all"]
)
def test_lines_of_splits(root, line):
    overwrite(root / "data/splits.csv", f"04ac,0026,train,all\n\n{line}\n".encode())
    with pytest.raises(FileError, match="line 3: expected subject, clip, train"):
        ADAPTER.sources(root, "train")


@pytest.mark.parametrize("name, count", [(JOINTS, 60), (BOXES, 50), (CAMERA, 50)])
def test_damaged_files(root, name, count):
    read_damaged(ADAPTER, root, CLIP, root / name, count=count)
