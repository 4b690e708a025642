"""Merged and generated stores."""

import hashlib
import os
from dataclasses import dataclass

import numpy as np
import pytest

from dataset_adapters import get_adapter
from dataset_adapters.adapters.custom_template import write_template
from dataset_adapters.examples import ExampleBlock
from skelbridge.store import (
    check_checksums,
    merge_stores,
    open_store,
    prepare,
    write_blocks,
    write_store,
)
from skeleton_defs import UserError


def made(n, split="train", dataset="made", seed=0):
    joints = np.random.default_rng(seed).uniform(-900, 900, (n, 16, 3))
    return ExampleBlock(dataset, split, "mpii_16", np.arange(n), joints3d=joints)


def grey(n):
    return [np.full((8, 9, 3), i, np.uint8) for i in range(n)]


def digests(store):
    return {
        path.relative_to(store).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(store.rglob("*"))
        if path.is_file()
    }


def test_merging_links_files_and_keeps_all(tmp_path):
    write_blocks(tmp_path / "a", "one", [(made(5), grey(5))])
    write_blocks(tmp_path / "b", "two", [(made(3, seed=1), None)])
    merged = merge_stores([tmp_path / "a", tmp_path / "b"], tmp_path / "c", verify=True)
    assert [group.dataset for group in merged.groups] == ["one", "two"] and len(merged) == 8
    np.testing.assert_array_equal(merged[6].joints3d, open_store(tmp_path / "b")[1].joints3d)
    assert merged.image(2).mean() == pytest.approx(2, abs=1)
    assert os.path.samefile(tmp_path / "a/one/train-00000.h5", tmp_path / "c/one/train-00000.h5")
    # The order makes no difference, and both at once in one store neither.
    merge_stores([tmp_path / "b", tmp_path / "a"], tmp_path / "d")
    write_blocks(tmp_path / "e", "two", [(made(3, seed=1), None)])
    write_blocks(tmp_path / "e", "one", [(made(5), grey(5))])
    assert digests(tmp_path / "c") == digests(tmp_path / "d") == digests(tmp_path / "e")


def test_without_hard_links_files_are_copied(tmp_path, monkeypatch):
    write_blocks(tmp_path / "a", "one", [(made(5), None)])

    def refuse(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    merge_stores([tmp_path / "a"], tmp_path / "c")
    assert digests(tmp_path / "c") == digests(tmp_path / "a")


def test_splits_of_one_dataset_are_joined(tmp_path):
    write_blocks(tmp_path / "a", "one", [(made(5), None)])
    write_blocks(tmp_path / "b", "one", [(made(3, "test"), None)])
    merged = merge_stores([tmp_path / "b", tmp_path / "a"], tmp_path / "c")
    assert [(g.split, len(r)) for g, r in merged.groups.items()] == [("train", 5), ("test", 3)]
    assert check_checksums(tmp_path / "c") == 4


def test_a_split_without_files_gives_way(tmp_path):
    for name, other in (("a", "valid.npz"), ("b", "train.json")):
        root = tmp_path / f"data {name}"
        write_template(root)
        (root / other).unlink()
        prepare(get_adapter("custom"), root, tmp_path / name)
    merged = [
        merge_stores([tmp_path / x for x in order], tmp_path / order) for order in ("ab", "ba")
    ]
    assert [group.split for group in merged[0].groups] == ["train", "valid"]
    assert [len(store) for store in merged] == [3, 3]
    assert digests(tmp_path / "ab") == digests(tmp_path / "ba")
    assert check_checksums(tmp_path / "ab") == 5


def test_a_target_that_cannot_be_written(tmp_path):
    write_blocks(tmp_path / "a", "one", [(made(5), None)])
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="z: cannot be written"):
        merge_stores([tmp_path / "a"], tmp_path / "file" / "z")


def test_conflicts(tmp_path):
    write_blocks(tmp_path / "a", "one", [(made(5), None)])
    write_blocks(tmp_path / "b", "one", [(made(5), None)])
    with pytest.raises(UserError, match="one train is in .*a and in .*b; leave one out"):
        merge_stores([tmp_path / "a", tmp_path / "b"], tmp_path / "c")
    write_blocks(tmp_path / "d", "one", [(made(3, "test"), None)], options={"seed": 3})
    with pytest.raises(UserError, match="with seed = 3, not nothing"):
        merge_stores([tmp_path / "a", tmp_path / "d"], tmp_path / "c")
    assert not (tmp_path / "c").exists()
    with pytest.raises(UserError, match="exists already"):
        merge_stores([tmp_path / "a"], tmp_path / "b")
    with pytest.raises(UserError, match="expected a store"):
        merge_stores([tmp_path / "nothing"], tmp_path / "c")


@dataclass(frozen=True)
class Generated:
    """A shard that is made when it is asked for."""

    number: int
    split: str = "train"

    @property
    def key(self):
        return f"seed {self.number}"

    def blocks(self):
        block = made(4, seed=self.number, dataset="made")
        yield block.select(slice(0, 1)), [None]
        yield block.select(slice(1, 4)), grey(3)


def test_generated_shards_on_any_number_of_workers(tmp_path):
    shards = [Generated(i) for i in range(3)]
    for name, workers in (("a", 1), ("b", 2)):
        report = write_store(
            tmp_path / name, "made", shards, options={"people": 4}, workers=workers
        )
        assert report.n_examples == 12 and report.new_shards == 3
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    assert write_store(tmp_path / "a", "made", shards, options={"people": 4}).was_finished
    with pytest.raises(UserError, match="people = 4, not 5"):
        write_store(tmp_path / "a", "made", shards, options={"people": 5})
    store = open_store(tmp_path / "a")
    assert [store.image_bytes(i) is None for i in range(12)] == [True, False, False, False] * 3
    np.testing.assert_allclose(store[5].joints3d, made(4, seed=1).joints3d[1], atol=1e-3)


def test_blocks_are_cut_into_equal_shards(tmp_path):
    blocks = [(made(5), grey(5)), (made(6, seed=1), grey(6)), (made(2, "test"), None)]
    write_blocks(tmp_path / "a", "made", blocks, rows_per_shard=4)
    store = open_store(tmp_path / "a")
    sizes = [len(entry["rows"]) and entry["rows"]["mpii_16"] for entry in
             store.manifest["datasets"]["made"]["splits"]["train"]["shards"]]  # fmt: skip
    assert sizes == [4, 4, 3] and len(store) == 13
    frames = [store[i].frame for i in range(11)]
    assert frames == [*range(5), *range(6)]


def test_pictures_must_fit_the_rows(tmp_path):
    with pytest.raises(UserError, match="5 rows need as many pictures. Received 4"):
        write_blocks(tmp_path / "a", "made", [(made(5), grey(4))])
