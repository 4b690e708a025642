"""Stores of a user's own skeleton format open anywhere, and contradict nobody silently."""

import dataclasses
import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest
from fuzzing import assert_result_or_user_error, mutations
from json_fuzzing import document_mutations

import skeleton_defs
from dataset_adapters import get_adapter
from dataset_adapters.adapter import Source
from dataset_adapters.adapters.custom import Custom
from dataset_adapters.containers.errors import FileError
from dataset_adapters.examples import ExampleBlock
from skelbridge.store import merge_stores, open_store, prepare, unfinished, write_blocks
from skelbridge.store.own_skeletons import MAX_JOINTS, definitions_of, register_definitions
from skelbridge.store.validation import validate_store
from skeleton_defs import Skeleton, UserError

JOINTS = ["pelvis", "chest", "left_hand", "right_hand", "tip"]
EDGES = [[0, 1], [1, 2], [1, 3]]
DEFINITION = {
    "name": "Puppet_5", "joints": JOINTS, "edges": EDGES, "flip": [0, 1, 3, 2, 4],
    "parents": [-1, 0, 1, 1, 1], "note": "my own ☃", "maker": {"year": 2020},
}  # fmt: skip


@pytest.fixture(autouse=True)
def forget(monkeypatch):
    """Returns what makes this process one that knows no formats but the built-in ones."""

    def forget():
        monkeypatch.setattr(skeleton_defs.formats, "_registered", {})

    forget()
    return forget


def write_data(root, splits=("train",), name="puppet.json", **changes):
    """Writes a custom dataset without pictures: six poses of a split."""
    root.mkdir(exist_ok=True)
    (root / name).write_text(json.dumps({**DEFINITION, **changes}))
    settings = {"skeleton": name, "units": "mm"}
    (root / "dataset.json").write_text(json.dumps(settings))
    for split in splits:
        joints = np.random.default_rng(len(split)).uniform(-500, 500, (6, 5, 3))
        np.savez(root / f"{split}.npz", joints3d=joints)
    return root


def digests(store):
    return {
        path.relative_to(store).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(store.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def store(tmp_path, forget):
    prepare(get_adapter("custom"), write_data(tmp_path / "data"), tmp_path / "store")
    forget()
    return tmp_path / "store"


def manifest(store):
    return json.loads((store / "manifest.json").read_text("utf-8"))


def run(*arguments):
    code = "import sys; from skelbridge.cli import main; main(sys.argv[1:])"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True
    )


def test_another_process_opens_the_store(store):
    code = """
import sys, skeleton_defs
from skelbridge.store import open_store
assert "puppet_5" not in skeleton_defs.list_formats()
store = open_store(sys.argv[1])
found = skeleton_defs.get("puppet_5")
print(len(store), store[2].skeleton, *found.joints, found.edges, found.flip, found.details)
print(store.batch([0, 5]).joints3d.shape)
"""
    said = subprocess.run(
        [sys.executable, "-c", code, store], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert said == [
        "6 Puppet_5 pelvis chest left_hand right_hand tip ((0, 1), (1, 2), (1, 3)) "
        "(0, 1, 3, 2, 4) {'maker': {'year': 2020}}",
        "(2, 5, 3)",
    ]


def test_other_commands_in_other_processes(store, tmp_path):
    shown = run("store", "info", store, "--json")
    entry = json.loads(shown.stdout)["datasets"]["custom"]
    assert entry["skeleton_definitions"]["Puppet_5"]["edges"] == EDGES
    assert "Puppet_5" in run("store", "info", store, "--verify").stdout
    assert run("store", "merge", store, "-o", tmp_path / "merged").returncode == 0
    assert digests(tmp_path / "merged") == digests(store)
    assert "custom train Puppet_5: 6 examples" in run("store", "validate", store).stdout


def test_the_manifest_holds_the_definition(store):
    (stored,) = manifest(store)["datasets"]["custom"]["skeleton_definitions"].values()
    given, found = Skeleton.from_dict(DEFINITION), Skeleton.from_dict(stored)
    assert found.to_dict() == given.to_dict() and found.details == {"maker": {"year": 2020}}


def test_the_same_definition_again_is_fine(store):
    for _ in range(2):
        assert len(open_store(store)) == 6
    assert validate_store(store).groups[0].n_examples == 6
    # In another order of its fields, too.
    known = skeleton_defs.get("puppet_5")
    register_definitions("x", {"Puppet_5": dict(reversed(known.to_dict().items()))})
    assert skeleton_defs.get("puppet_5") is known


@pytest.mark.parametrize(
    "changes, field",
    [({"joints": list("abcde")}, "joints"), ({"edges": []}, "edges"), ({"note": "b"}, "note")],
)
def test_another_format_of_that_name_is_not_replaced(changes, field, store):
    mine = skeleton_defs.register(Skeleton.from_dict({**DEFINITION, **changes}))
    message = (
        f"manifest.json: its skeleton 'Puppet_5' has other {field} than the 'Puppet_5' that is "
        "known already; give one of them another name and prepare it again"
    )
    with pytest.raises(FileError, match=message):
        open_store(store)
    assert skeleton_defs.get("puppet_5") is mine


def test_built_in_formats_are_not_stored(tmp_path):
    assert definitions_of(["coco_17", "smpl", "Human3.6M"]) == {}
    joints = np.zeros((2, 16, 3))
    block = ExampleBlock("made", "train", "mpii_16", np.arange(2), joints3d=joints)
    write_blocks(tmp_path / "s", "made", [(block, None)])
    assert manifest(tmp_path / "s")["datasets"]["made"]["skeleton_definitions"] == {}


def test_a_definition_that_is_not_stored(store):
    tree = manifest(store)
    del tree["datasets"]["custom"]["skeleton_definitions"]
    (store / "manifest.json").write_text(json.dumps(tree))
    with pytest.raises(FileError, match="'Puppet_5' is not built in and its definition is not"):
        open_store(store)
    skeleton_defs.register(Skeleton.from_dict(DEFINITION))
    assert len(open_store(store)) == 6


@pytest.mark.parametrize(
    "tree, fragment",
    [
        ([], "expected an object of definitions by name"),
        ({"Puppet_5": None}, r"\['Puppet_5'\]: expected a definition with at most"),
        ({"Puppet_5": {**DEFINITION, "joints": "abc"}}, "expected a definition with at most"),
        ({"Puppet_5": {**DEFINITION, "joints": ["a"] * (MAX_JOINTS + 1)}}, f"most {MAX_JOINTS}"),
        ({"puppet": DEFINITION}, r"\['puppet'\]: expected that name in the definition"),
        ({"a.json": {**DEFINITION, "name": "a.json"}}, "expected that name"),
        ({"Puppet_5": {**DEFINITION, "edges": [[0, 9]]}}, "field 'edges' must be pairs"),
        ({"Puppet_5": {**DEFINITION, "rest_pose": [1]}}, "must be named 'rest_pose_m'"),
        ({"Puppet_5": {**DEFINITION, "oks_sigmas": [10**400] * 5}}, "expected a skeleton"),
        ({"coco_17": {**DEFINITION, "name": "coco_17"}}, "'coco_17' has other joints"),
        ({"smpl": {**DEFINITION, "name": "smpl"}}, "format named 'smpl' exists already"),
    ],
)
def test_damaged_definitions(tree, fragment, store):
    whole = manifest(store)
    whole["datasets"]["custom"]["skeleton_definitions"] = tree
    (store / "manifest.json").write_text(json.dumps(whole))
    with pytest.raises(FileError, match=f"manifest.json: .*{fragment}") as caught:
        open_store(store)
    assert "\n" not in str(caught.value)
    assert "puppet_5" not in skeleton_defs.list_formats()


def test_any_damage_is_told_in_one_line(store, forget):
    def read():
        forget()
        return open_store(store).batch([0])

    whole = manifest(store)
    for damaged in mutations((store / "manifest.json").read_bytes(), 60, seed=5):
        (store / "manifest.json").write_bytes(damaged)
        assert_result_or_user_error(read)
    for damaged in document_mutations(whole["datasets"]["custom"]["skeleton_definitions"], 120):
        whole["datasets"]["custom"]["skeleton_definitions"] = damaged
        (store / "manifest.json").write_text(json.dumps(whole))
        assert_result_or_user_error(read)


def test_bytes_do_not_depend_on_the_number_of_workers(tmp_path, forget):
    root = write_data(tmp_path / "data", ("train", "valid"))
    for workers in (1, 2):
        forget()
        prepare(get_adapter("custom"), root, tmp_path / f"{workers}", workers=workers)
    assert digests(tmp_path / "1") == digests(tmp_path / "2")
    for split in ("test", "valid", "train"):
        forget()
        prepare(get_adapter("custom"), root, tmp_path / "s", split=split)
    assert digests(tmp_path / "s") == digests(tmp_path / "1")


@dataclasses.dataclass(frozen=True)
class ReadsLate(Custom):
    """Lists its sources without a look at the skeleton: only who reads them comes to know it."""

    def sources(self, root, split):
        return [Source(split, f"{split}.npz")] if (root / f"{split}.npz").exists() else []


def interrupted(monkeypatch, root, store):
    """Prepares all shards and ends before the manifest."""

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(unfinished.UnfinishedSplits, "finish", stop)
        prepare(ReadsLate(), root, store)


def test_only_workers_know_the_format(tmp_path, store):
    prepare(ReadsLate(), tmp_path / "data", tmp_path / "s", workers=2)
    assert digests(tmp_path / "s") == digests(store)


def test_a_resumed_run_knows_the_format(tmp_path, store, forget, monkeypatch):
    interrupted(monkeypatch, tmp_path / "data", tmp_path / "s")
    forget()
    assert prepare(ReadsLate(), tmp_path / "data", tmp_path / "s").new_shards == 0
    assert digests(tmp_path / "s") == digests(store)


def test_another_definition_when_a_run_goes_on(tmp_path, forget, monkeypatch):
    root = write_data(tmp_path / "data")
    interrupted(monkeypatch, root, tmp_path / "s")
    forget()
    write_data(root, edges=[[0, 1]])
    with pytest.raises(UserError, match=r"'Puppet_5' has other edges .*; put that definition back"):
        prepare(get_adapter("custom"), root, tmp_path / "s")
    forget()
    write_data(root)
    assert prepare(get_adapter("custom"), root, tmp_path / "s").n_examples == 6


def test_another_definition_for_another_split(tmp_path, forget):
    store = tmp_path / "s"
    prepare(get_adapter("custom"), write_data(tmp_path / "data"), store, split="train")
    forget()
    before = digests(store)
    root = write_data(tmp_path / "more", ("valid",), edges=[])
    with pytest.raises(UserError, match=r"has other edges .*; put that definition back, or delete"):
        prepare(get_adapter("custom"), root, store, split="valid")
    assert digests(store) == before
    forget()
    prepare(get_adapter("custom"), write_data(root, ("valid",)), store, split="valid")
    assert [group.split for group in open_store(store).groups] == ["train", "valid"]


def test_another_dataset_with_another_format_of_that_name(tmp_path, store):
    before = digests(store)
    skeleton_defs.register(Skeleton.from_dict({**DEFINITION, "parents": None}))
    joints = np.zeros((2, 5, 3))
    block = ExampleBlock("made", "train", "Puppet_5", np.arange(2), joints3d=joints)
    with pytest.raises(UserError, match=r"other parents .*; give yours another name, or use ano"):
        write_blocks(store, "made", [(block, None)])
    assert digests(store) == before and not (store / "made").exists()


def test_merging(tmp_path, store, forget):
    prepare(get_adapter("custom"), write_data(tmp_path / "b", ("valid",)), tmp_path / "t")
    forget()
    merged = merge_stores([tmp_path / "t", store], tmp_path / "merged")
    assert len(merged) == 12
    assert list(manifest(tmp_path / "merged")["datasets"]["custom"]["skeleton_definitions"]) == [
        "Puppet_5"
    ]
    forget()
    write_data(tmp_path / "b", ("valid",), joints=list("vwxyz"), flip=None)
    prepare(get_adapter("custom"), tmp_path / "b", tmp_path / "u")
    forget()
    with pytest.raises(FileError, match="'Puppet_5' has other joints .*; give one of them another"):
        merge_stores([store, tmp_path / "u"], tmp_path / "never")
    assert not (tmp_path / "never").exists()


def test_what_json_cannot_say_plainly(tmp_path, forget):
    """Dates of TOML, and halves of characters."""
    root = write_data(tmp_path / "data")
    (root / "p.toml").write_text(
        'name = "dated"\njoints = ["a", "b", "c", "d", "e"]\nd = 2020-01-02'
    )
    (root / "dataset.json").write_text('{"skeleton": "p.toml"}')
    prepare(get_adapter("custom"), root, tmp_path / "dated")
    forget()
    assert (
        skeleton_defs.get(open_store(tmp_path / "dated")[0].skeleton).details["d"] == "2020-01-02"
    )
    write_data(root, name="q.json", joints=["\ud800", *"bcde"], flip=None)
    prepare(get_adapter("custom"), root, tmp_path / "halves")
    forget()
    assert skeleton_defs.get(open_store(tmp_path / "halves")[0].skeleton).joints[0] == "\ud800"
