import numpy as np
from scipy import stats

from skelbridge.data.randomness import Purpose, generator, hashed, mixed, uniforms


def test_mixing_is_that_of_splitmix64():
    # The published first outputs of splitmix64 from the state 1234567.
    golden = 0x9E3779B97F4A7C15
    states = [(1234567 + i * golden) % 2**64 for i in (1, 2, 3)]
    assert mixed(np.array(states, np.uint64)).tolist() == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


def test_numbers_are_uniform():
    numbers = uniforms(5, 17, np.arange(2000), Purpose.GEOMETRY, 10)
    assert numbers.min() >= 0
    assert numbers.max() < 1
    for column in numbers.T:
        assert stats.kstest(column, "uniform").pvalue > 1e-4
    correlation = np.corrcoef(numbers.T) - np.eye(10)
    assert np.abs(correlation).max() < 5 / np.sqrt(2000)


def test_every_part_of_the_key_counts():
    keys = [(1, 2, 3, 4), (2, 2, 3, 4), (1, 3, 3, 4), (1, 2, 4, 4), (1, 2, 3, 5), (1, 3, 2, 4)]
    numbers = [uniforms(s, t, np.array([slot]), p, 1)[0, 0] for s, t, slot, p in keys]
    assert len(set(numbers)) == len(keys)
    drawn = [generator(*key).integers(2**62) for key in keys]
    assert len(set(drawn)) == len(keys)


def test_a_slot_is_the_same_alone_and_among_others():
    together = uniforms(5, 17, np.arange(100), Purpose.COLOUR, 7)
    alone = uniforms(5, 17, np.array([42]), Purpose.COLOUR, 3)
    assert np.array_equal(alone[0], together[42, :3])


def test_any_seed_will_do():
    hashes = {int(hashed(seed)[0]) for seed in (-1, 0, 1, 2**63, 2**64 - 2, 2**200 + 5)}
    assert len(hashes) == 6
