"""Which reader a file goes to."""

from __future__ import annotations

import gzip
import importlib
import io
import os
import re
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np

from dataset_adapters.containers import FileError

from .data import PoseData

#: Text of a `.gz` file grows 4 to 20 times when unpacked; a bomb grows 1000 times.
_MAX_GZIP_RATIO = 200
_MIN_GZIP_LIMIT = 64_000_000
_FRAME_FILE = re.compile(r"\d+(_keypoints)?\.json$")


@dataclass(frozen=True)
class ReadOptions:
    """What a reader may need to know besides the file.

    Attributes:
      key: which array of the file holds the poses (`.npz`, `.h5`, COCO variants, pickled dicts).
      n_joints: the joint count that is expected, where the source format is known: it tells flat
        rows of J * 3 numbers apart from J * 2.
      rotations: an `.npy` file holds axis-angle vectors of an SMPL-family body, not positions.
      body_model: the user's own SMPL-family model file, for exact joints from parameters.
      asf: the `.asf` skeleton of an `.amc` file.
    """

    key: str | None = None
    n_joints: int | None = None
    rotations: bool = False
    body_model: str | os.PathLike | None = None
    asf: str | os.PathLike | None = None


def read_poses(path: str | os.PathLike, options: ReadOptions | None = None, **named) -> PoseData:
    """Reads a pose file, or a folder with one file per frame.

    The suffix says how (`.gz` on top is unpacked); `-` is standard input with npy or JSON.

    Args:
      path: the file.
      options: see `ReadOptions`; its fields may be given by keyword instead.

    Raises:
      FileError: the file is missing, of an unknown kind, damaged, or not what it claims to be.

    >>> read_poses("walk.bvh").positions.shape  # doctest: +SKIP
    (515, 38, 3)
    """
    options = options or ReadOptions(**named)
    if os.fspath(path) == "-":
        return _read_stdin(options)
    file = Path(path)
    try:
        if file.is_dir():
            return _read_folder(file, options)
        size = file.stat().st_size
    except OSError as error:
        raise _unreadable(file, error) from None
    if size == 0:
        raise FileError(file, "expected poses, found an empty file (0 bytes)")
    suffix = pose_suffix(file)
    if suffix not in READERS:
        raise FileError(
            file, f"expected a pose file ({', '.join(sorted(READERS))}), found suffix '{suffix}'"
        )
    try:
        return READERS[suffix](file, options)
    except OSError as error:
        raise _unreadable(file, error) from None


def pose_suffix(path: str | os.PathLike) -> str:
    """Returns the suffix that says what a file holds, in lower case and without `.gz`."""
    file = Path(path)
    if file.suffix.lower() == ".gz":
        file = file.with_suffix("")
    return file.suffix.lower()


def is_frame_folder(path: str | os.PathLike) -> bool:
    """Whether a folder is one clip with a file per frame (OpenPose, Panoptic).

    Such a folder holds JSON files that are numbered, and the first of them is one frame.
    """
    names = [name for name in os.listdir(path) if not name.startswith(".")]
    numbered = [name for name in names if _FRAME_FILE.search(name)]
    if not numbered or any(not name.endswith(".json") for name in names):
        return False
    if any(name.endswith("_keypoints.json") or "body3DScene_" in name for name in numbered):
        return True
    return _from("json_dialects", "is_frame_folder")(path)


def _unreadable(file: Path, error: OSError) -> FileError:
    if isinstance(error, FileNotFoundError):
        return FileError(file, "no such file")
    return FileError.unreadable(file, error)


def _from(module: str, name: str):
    """A function of a reader module, loaded when first used: readers load heavy libraries."""
    return getattr(importlib.import_module(f"{__package__}.{module}"), name)


def _read_bytes(file: Path) -> bytes:
    data = file.read_bytes()
    if file.suffix.lower() != ".gz":
        return data
    limit = max(_MIN_GZIP_LIMIT, len(data) * _MAX_GZIP_RATIO)
    try:
        with gzip.open(io.BytesIO(data)) as packed:
            text = packed.read(limit + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise FileError(file, f"not a whole gzip file ({error})") from None
    if len(text) > limit:
        raise FileError(
            file, f"unpacks to more than {limit} bytes, {_MAX_GZIP_RATIO} times its size: refused"
        )
    return text


def _by_path(file: Path) -> Path:
    if file.suffix.lower() == ".gz":
        raise FileError(file, f"unpack it first: {pose_suffix(file)} files are not read through gz")
    return file


def _read_bvh(file: Path, options: ReadOptions) -> PoseData:
    return _from("mocap", "read_bvh")(file, _read_bytes(file))


def _read_amc(file: Path, options: ReadOptions) -> PoseData:
    return _from("mocap", "read_amc")(file, _read_bytes(file), asf=options.asf)


def _read_asf(file: Path, options: ReadOptions) -> NoReturn:
    _from("mocap", "read_asf")(file, _read_bytes(file))


def _read_trc(file: Path, options: ReadOptions) -> PoseData:
    return _from("markers", "read_trc")(file, _read_bytes(file))


def _read_c3d(file: Path, options: ReadOptions) -> PoseData:
    return _from("markers", "read_c3d")(_by_path(file))


def _read_npy(file: Path, options: ReadOptions) -> PoseData:
    if not options.rotations:
        return _from("arrays", "read_npy")(_by_path(file), n_joints=options.n_joints)
    from dataset_adapters.containers.npy import NpyFile

    with NpyFile(_by_path(file)) as array:
        return _from("smpl_parameters", "poses_from_pose_vectors")(
            file, array.read(), body_model=options.body_model
        )


def _read_npz(file: Path, options: ReadOptions) -> PoseData:
    from dataset_adapters.containers.npz import open_npz

    with open_npz(_by_path(file)) as archive:
        if options.key is None and _from("smpl_parameters", "matches")(archive):
            return _from("smpl_parameters", "poses_from_parameters")(
                file, archive, body_model=options.body_model
            )
        if options.key is None and len(archive) == 1:
            (key,) = archive
            try:
                archive.header(key)
            except FileError:  # Python objects: results of SMPL regressors are stored so.
                return _read_objects(file, key, options)
    return _from("arrays", "read_npz")(file, key=options.key, n_joints=options.n_joints)


def _read_objects(file: Path, key: str, options: ReadOptions) -> PoseData:
    """An `.npz` that holds one pickled result, as regressors of SMPL parameters write it."""
    from dataset_adapters.containers.safe_pickle import load_object_npz

    return _from_tree(file, load_object_npz(file, key), options)


def _read_pickle(file: Path, options: ReadOptions) -> PoseData:
    from dataset_adapters.containers.safe_pickle import load_pickle

    return _from_tree(file, load_pickle(file, _read_bytes(file)), options)


def _from_tree(file: Path, content: object, options: ReadOptions) -> PoseData:
    """Poses from what a pickle held: SMPL parameters of people, or an array named by `--key`."""
    if options.key is None and _from("smpl_parameters", "parameter_sets")(content):
        return _from("smpl_parameters", "poses_of_people")(
            file, content, body_model=options.body_model
        )
    if isinstance(content, dict) and options.key in content:
        content = content[options.key]
    if isinstance(content, np.ndarray) and not content.dtype.hasobject:
        return _from("arrays", "poses_from_array")(file, content, n_joints=options.n_joints)
    held = type(content).__name__
    if isinstance(content, np.ndarray):
        held = "an array of Python objects"
    if isinstance(content, dict):
        shapes = [f"{k} {getattr(v, 'shape', type(v).__name__)}" for k, v in content.items()]
        held = f"a dict of {', '.join(shapes[:12])}"
    raise FileError(
        file,
        f"expected a pickled array or SMPL-family parameters, found {held[:300]}; name an array of "
        "poses with --key",
    )


def _read_h5(file: Path, options: ReadOptions) -> PoseData:
    return _from("hdf5", "read_h5")(_by_path(file), key=options.key, n_joints=options.n_joints)


def _read_csv(file: Path, options: ReadOptions) -> PoseData:
    return _from("tables", "read_csv")(file, _read_bytes(file), n_joints=options.n_joints)


def _read_parquet(file: Path, options: ReadOptions) -> PoseData:
    return _from("tables", "read_parquet")(_by_path(file), n_joints=options.n_joints)


def _read_json(file: Path, options: ReadOptions) -> PoseData:
    return _from("json_dialects", "read_json")(file, _read_bytes(file), key=options.key)


def _read_landmark_text(file: Path, options: ReadOptions) -> PoseData:
    return _from("mediapipe", "parse_landmark_text")(file, _read_bytes(file))


def _read_pose(file: Path, options: ReadOptions) -> PoseData:
    return _from("pose_format_files", "read_pose")(_by_path(file), key=options.key)


def _read_folder(folder: Path, options: ReadOptions) -> PoseData:
    if not is_frame_folder(folder):
        raise FileError(
            folder,
            "expected a folder with one JSON file per frame (OpenPose or Panoptic), found other "
            "files; give a file, or convert the folder's files one by one",
        )
    return _from("json_dialects", "read_json_folder")(folder, key=options.key)


def _read_stdin(options: ReadOptions) -> PoseData:
    data = sys.stdin.buffer.read()
    if not data:
        raise FileError("-", "expected npy or JSON on standard input, found nothing")
    if data.startswith(b"\x93NUMPY"):
        from dataset_adapters.containers.npy import read_npy_bytes

        return _from("arrays", "poses_from_array")(
            "-", read_npy_bytes("-", data), n_joints=options.n_joints
        )
    return _from("json_dialects", "read_json")("-", data, key=options.key)


#: Suffix -> reader.
READERS = {
    ".amc": _read_amc,
    ".asf": _read_asf,
    ".bvh": _read_bvh,
    ".c3d": _read_c3d,
    ".csv": _read_csv,
    ".h5": _read_h5,
    ".hdf5": _read_h5,
    ".json": _read_json,
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".parquet": _read_parquet,
    ".pbtxt": _read_landmark_text,
    ".pickle": _read_pickle,
    ".pkl": _read_pickle,
    ".pose": _read_pose,
    ".prototxt": _read_landmark_text,
    ".trc": _read_trc,
    ".tsv": _read_csv,
}
