import itertools

import numpy as np
import pytest

from skelbridge.data import BatchPlan, Composition
from skeleton_defs import UserError

MIX = Composition((("a", 3), ("b", 1)), (("c", 2), ("a", 1)))
RANGES = {"a": [range(100, 104), range(10, 13)], "b": [range(20, 25)], "c": [range(50, 59)]}

PINNED_PLACES, PINNED_HASH = [2, 4, 0, 1, 6, 8, 4], "be0f0224d91ff633"


def plan(**options):
    return BatchPlan(RANGES, options.pop("composition", MIX), **{"seed": 3} | options)


def test_the_plan_is_the_interleaved_queues():
    """Against queues that are really walked through and interleaved."""
    ours = plan()
    steps = [ours.at(step) for step in range(30)]

    def queue(number, dataset):
        places = [i for r in RANGES[dataset] for i in r]
        for epoch in itertools.count():
            drawn = [
                (int(p.epoch[k]), int(p.example[k]))
                for p in steps
                for k in np.flatnonzero(p.dataset == number)
            ]
            this = [example for e, example in drawn if e == epoch][: len(places)]
            # Each epoch is the whole dataset, once.
            assert sorted(this) == sorted(places)
            yield from ((epoch, example) for example in this)

    queues = [queue(i, name) for i, name in enumerate(("a", "b", "c", "a"))]
    counts = [3, 1, 2, 1]
    row = [(i, *next(queues[i])) for _ in range(10) for i, n in enumerate(counts) for _ in range(n)]
    for step in range(10):
        planned = ours.at(step)
        expected = row[7 * step : 7 * step + 7]
        found = zip(planned.dataset, planned.epoch, planned.example, strict=True)
        assert [tuple(map(int, f)) for f in found] == expected
        assert planned.is_3d.tolist() == [True] * 4 + [False] * 3


def test_epochs_differ_in_order_and_so_do_the_two_queues_of_a_dataset():
    ours = plan()
    steps = [ours.at(step) for step in range(140)]
    for number in (0, 3):
        drawn = np.concatenate([p.example[p.dataset == number] for p in steps])
        epochs = drawn[: len(drawn) // 7 * 7].reshape(-1, 7)
        assert len({tuple(e) for e in epochs.tolist()}) > 0.8 * len(epochs)
    first = [[int(p.example[k]) for p in steps] for k in (0, 6)]
    assert first[0] != first[1]


def test_any_step_and_slot_is_reached_directly():
    ours, step = plan(), 123_456_789
    whole = ours.at(step)
    part = ours.at(step, np.array([5, 2]))
    assert part.example.tolist() == [whole.example[5], whole.example[2]]
    assert part.epoch.tolist() == [whole.epoch[5], whole.epoch[2]]
    assert whole.epoch[0] == step * 3 // 7


def test_the_seed_decides():
    assert plan().fingerprint(20) == plan().fingerprint(20)
    assert plan().fingerprint(20) != plan(seed=4).fingerprint(20)


def test_an_order_does_not_depend_on_other_datasets():
    alone = plan(composition=Composition({"b": 1}))
    together = plan()
    for step in range(20):
        of_b = together.at(step)
        assert alone.at(step).example[0] == of_b.example[of_b.dataset == 1][0]


def test_missing_datasets_are_an_error_unless_allowed():
    asked = Composition({"a": 2, "x": 2, "b": 1, "y": 1})
    with pytest.raises(UserError, match="2 of the 4 datasets .* not in the store: x, y; prepare"):
        plan(composition=asked)
    ours = plan(composition=asked, allow_missing=True)
    assert ours.composition.three_d == (("a", 4), ("b", 2))
    (remark,) = ours.remarks
    assert remark.startswith("2 datasets are not in the store: x, y; their places went to")
    assert remark.endswith("the others: a 2 -> 4, b 1 -> 2")
    assert plan(composition=MIX, allow_missing=True).remarks == ()


def test_an_empty_dataset_is_missing():
    with pytest.raises(UserError, match="not in the store: e"):
        BatchPlan({"e": [range(0)]}, Composition({"e": 1}), seed=0)


def test_replicas_share_both_parts():
    ours = plan(composition=Composition({"a": 3, "b": 1}, {"c": 2}))
    assert ours.composition.share(0, 2).tolist() == [0, 1, 4]
    assert ours.composition.share(1, 2).tolist() == [2, 3, 5]
    with pytest.raises(UserError, match="4 3D examples .* among 3 replicas"):
        ours.composition.share(0, 3)


def test_the_description_tells_composition_and_hash():
    text = plan().describe(7)
    lines = text.splitlines()
    assert lines[0].startswith(
        "7 examples a batch: 4 with 3D labels, then 3 with 2D labels; seed 3"
    )
    assert lines[2].split() == ["0-2", "a", "3D", "3", "7", "2.3"]
    assert lines[4].split() == ["4-5", "c", "2D", "2", "9", "4.5"]
    assert lines[-1] == f"steps 0-6: sha256 {plan().fingerprint(7)}"


def test_the_order_is_pinned():
    """A resumed run must see the same order under a later version."""
    assert plan().at(0).place.tolist() == PINNED_PLACES
    assert plan().fingerprint(100)[:16] == PINNED_HASH


def test_of_store_takes_one_split(dot_store):
    both = Composition({"pinhole": 1, "tested": 1})
    with pytest.raises(UserError, match="not in the store: tested"):
        BatchPlan.of_store(dot_store, both, seed=0)
    tested = BatchPlan.of_store(dot_store, Composition({"tested": 1}), seed=0, split="test")
    assert tested.sizes.tolist() == [3]
    with pytest.raises(UserError, match="not in the store: pinhole"):
        BatchPlan.of_store(dot_store, Composition({"pinhole": 1}), seed=0, skeletons=["coco_17"])
    drawn = {int(tested.at(step).example[0]) for step in range(3)}
    (group,) = [g for g in dot_store.groups if g.dataset == "tested"]
    assert drawn == set(dot_store.groups[group])
