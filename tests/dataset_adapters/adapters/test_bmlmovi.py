import json
import shutil

import numpy as np
import pytest
import scipy.io
from miniature_copies import copy_of, master, overwrite, read_damaged

from dataset_adapters import get_adapter
from dataset_adapters.adapter import Source
from dataset_adapters.adapters._bmlmovi_cameras import published_camera
from dataset_adapters.adapters._bmlmovi_takes import read_takes
from dataset_adapters.containers.errors import FileError

ADAPTER = get_adapter("bmlmovi")
SOURCE = Source("train", "F_PG1_Subject_1_L.avi")
MOCAP = "F_Subjects_1_45/F_v3d_Subject_1.mat"
#: The 15 points of the S rounds: lfronthead ... rwri.
REDUCED = [5, 6, 12, 13, 20, 36, 37, 43, 44, 51, 67, 71, 77, 79, 85]


def points_of(path):
    """Reads all frames of a file's recordings."""
    return [take.points().values for take in read_takes(path)]


def read_one(root, source=SOURCE, adapter=ADAPTER):
    (block,) = adapter.read(root, source)
    return block


def write_moves(path, *moves):
    cell = np.empty((1, len(moves)), object)
    for i, move in enumerate(moves):
        cell[0, i] = move
    scipy.io.savemat(path, {"Subject_7_F": {"subject": {"id": "7"}, "move": cell}})
    return str(path)


def points(n, n_frames=3):
    return np.arange(1, 3 * n * n_frames + 1, dtype=float).reshape(n_frames, n, 3)


def test_virtual_markers_follow_where_they_are_kept_apart(tmp_path):
    markers, virtual = points(67), -points(20)
    (found,) = points_of(
        write_moves(
            tmp_path / "a.mat", {"markerLocation": markers, "virtualMarkerLocation": virtual}
        )
    )
    np.testing.assert_array_equal(found[:, :67], markers)
    np.testing.assert_array_equal(found[:, 67:], virtual)


def test_reduced_rounds_fill_their_places():
    block = read_one(master("bmlmovi"), Source("train", "S2_PG1_Subject_1_L.avi"))
    present = ~np.isnan(block.joints3d[..., 0])
    assert set(np.flatnonzero(present.any(axis=0))) <= set(REDUCED)


def test_17_columns_become_15_points(tmp_path):
    markers = points(17)
    (found,) = points_of(write_moves(tmp_path / "a.mat", {"markerLocation": markers}))
    columns = [c for c in range(17) if c not in (5, 11)]
    np.testing.assert_array_equal(found[:, REDUCED], markers[:, columns])
    assert np.isnan(np.delete(found, REDUCED, axis=1)).all()


def test_only_whole_zeros_are_missing(tmp_path):
    markers = points(87)
    markers[0, 3] = 0
    markers[1, 4] = [-5, 0, 0]
    (found,) = points_of(write_moves(tmp_path / "a.mat", {"markerLocation": markers}))
    assert np.isnan(found[0, 3]).all()
    assert found[1, 4].tolist() == [-5, 0, 0]
    assert np.isnan(found).sum() == 3


def test_published_cameras_stand_upright():
    for name in ("PG1", "PG2"):
        camera = published_camera(name)
        assert camera.up[1] < -0.95  # y is down in the image.
        u, v = camera.project([0, 0, 1000])
        assert 0 < u < 800 and 0 < v < 600
    # MATLAB's (408.027, 291.170) counts from 1.
    assert published_camera("PG1").K[:2, 2].tolist() == pytest.approx([407.027, 290.170])


def test_published_calibration_is_used_where_there_is_no_file(tmp_path):
    root = copy_of("bmlmovi", tmp_path)
    shutil.rmtree(root / "Calib")
    np.testing.assert_array_equal(read_one(root).cameras.R, published_camera("PG1").R)
    with pytest.raises(FileError, match="cameraParams_PG1.npz"):
        read_one(root, adapter=get_adapter("bmlmovi", calibration="file"))


PHONE = Source("train", "F_CP1_Subject_1.mp4")


def with_phone(tmp_path, **changes):
    """A phone whose video starts one mocap frame early, looking along x, upright."""
    entry = {
        "fps": 60.0, "offset_s": 1 / 120, "t": [0, 1000, 4000],
        "R": [[0, -1, 0], [0, 0, -1], [1, 0, 0]],
    }  # fmt: skip
    path = tmp_path / "phones.json"
    overwrite(path, json.dumps({"F_CP1_Subject_1": {**entry, **changes}}).encode())
    return get_adapter("bmlmovi", phones=str(path))


def test_phones_are_read_with_a_calibration(tmp_path):
    root = master("bmlmovi")
    assert not [s for s in ADAPTER.sources(root, "train") if "CP" in s.key]
    adapter = with_phone(tmp_path)
    assert PHONE in adapter.sources(root, "train")
    block = read_one(root, PHONE, adapter)
    (mocap,) = points_of(str(root / MOCAP))
    # Frame 0 lies before the mocap; frame i shows mocap frame 2 i - 1.
    assert block.frames[0] == 1
    np.testing.assert_allclose(block.joints3d[0], mocap[1])
    camera = block.cameras[0]
    assert camera.image_size == (1920, 1080) and camera.K[0, 0] == 1508.7021
    assert camera.up.tolist() == pytest.approx([0, -1, 0])


def test_phone_poses_are_interpolated(tmp_path):
    root = master("bmlmovi")
    block = read_one(root, PHONE, with_phone(tmp_path, offset_s=0.75 / 120))
    (mocap,) = points_of(str(root / MOCAP))
    expected = 0.75 * mocap[1] + 0.25 * mocap[2]
    assert block.frames[0] == 1
    np.testing.assert_allclose(block.joints3d[0], expected, rtol=0, atol=1e-6)


UPRIGHT = [[0, -1, 0], [0, 0, -1], [1, 0, 0]]


def rolled(degrees):
    s, c = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    return (np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ UPRIGHT).tolist()


@pytest.mark.parametrize(
    "rotation, t, frames",
    [
        (rolled(6.9), [0, 1000, 4000], [0, 1]),
        (rolled(-7.1), [0, 1000, 4000], [1]),
        (rolled(180), [0, 1000, 4000], [1]),
        (None, [0, 1000, 4000], [1]),
        (UPRIGHT, None, [1]),
    ],
)
def test_tilted_and_unknown_phone_frames_are_left_out(tmp_path, rotation, t, frames):
    adapter = with_phone(
        tmp_path, R=[rotation, UPRIGHT], t=[t, [0, 1000, 5000]], offset_s=0, fps=30
    )
    block = read_one(master("bmlmovi"), PHONE, adapter)
    assert block.frames.tolist() == frames
    assert block.cameras[-1].t.tolist() == [0, 1000, 5000]


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"fps": 0}, "expected 1 to 1000 frames per second, found 0"),
        ({"fps": "x"}, "F_CP1_Subject_1.fps: expected numbers"),
        ({"R": [1, 2]}, r"F_CP1_Subject_1.R: expected numbers of shape \(3, 3\)"),
        ({"t": [None], "R": [[1]]}, r"R: expected numbers of shape \(1, 3, 3\)"),
        ({"R": [[1, 0, 0], [0, 1, 0], [0, 0, -1]], "t": [0, 0, 0]}, "no usable camera"),
    ],
)
def test_phone_calibration_is_checked(tmp_path, changes, message):
    adapter = get_adapter("bmlmovi", phones=with_phone(tmp_path, **changes).phones, max_roll=180)
    with pytest.raises(FileError, match=message):
        list(adapter.blocks(master("bmlmovi")))


@pytest.mark.parametrize(
    "move, message",
    [
        ({"markerLocation": points(40)}, "expected 87, 67 .* or 17 points, found 40"),
        ({"markerLocation": points(67)}, "found 67"),
        ({"other": points(3)}, "expected the field markerLocation, found other"),
        ({"markerLocation": np.full((2, 87, 3), np.inf)}, "expected finite numbers"),
        (3.0, "move: expected a cell of structs"),
    ],
)
def test_other_moves_are_refused(tmp_path, move, message):
    with pytest.raises(FileError, match=message):
        points_of(write_moves(tmp_path / "a.mat", move))


def test_other_variables_are_refused(tmp_path):
    path = tmp_path / "a.mat"
    scipy.io.savemat(path, {"x": np.zeros(3)})
    with pytest.raises(FileError, match="expected a variable Subject_<n>_F .* found x"):
        points_of(str(path))


def test_cameras_need_every_fourth_frame(tmp_path):
    markers = points(87, 9)
    (take,) = read_takes(write_moves(tmp_path / "a.mat", {"markerLocation": markers}))
    np.testing.assert_array_equal(take.points(4).values, take.points().values[::4])
    assert take.points(4) is take.points(4) and len(take.points(4)) == 3


def test_missing_round(tmp_path):
    root = copy_of("bmlmovi", tmp_path)
    write_moves(root / "S/S_v3d_Subject_1.mat", {"markerLocation": points(17)})
    with pytest.raises(FileError, match="round S2, found 1 rounds"):
        read_one(root, Source("train", "S2_PG1_Subject_1_L.avi"))


@pytest.mark.parametrize("name", [MOCAP, "Calib/Extrinsics_PG1.npz", "Calib/cameraParams_PG1.npz"])
def test_damaged_files(tmp_path, name):
    root = copy_of("bmlmovi", tmp_path)
    read_damaged(ADAPTER, root, SOURCE, root / name, count=40)
