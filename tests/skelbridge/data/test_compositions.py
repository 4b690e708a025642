import pytest

from skelbridge.data import PRESETS, Composition, composition
from skeleton_defs import UserError

MEDIUM = {
    "h36m": 9, "muco": 9, "humbi": 7, "agora": 5, "surreal": 8, "panoptic": 9, "aist": 9,
    "3dpeople": 6, "sailvos": 7, "mpi_inf_3dhp": 5, "totalcapture": 5, "jta": 5, "rich": 7,
    "hspace": 5,
}  # fmt: skip
FULL = (
    "h36m 4 muco 6 humbi 5 3doh50k 3 agora 3 surreal 5 panoptic 7 aist 6 aspset 4 gpa 4 3dpeople 4 "
    "sailvos 5 bmlmovi 5 mads 2 umpm 2 berkeley_mhad 3 mpi_inf_3dhp 3 totalcapture 3 jta 3 "
    "ikea_asm 2 human4d 1 behave 3 rich 4 spec 2 fit3d 2 chi3d 1 humansc3d 1 hspace 3"
)


@pytest.mark.parametrize(("level", "n_datasets"), [("small", 3), ("medium", 14), ("full", 28)])
def test_presets_have_96_and_32_examples(level, n_datasets):
    preset = composition(level)
    assert (preset.n_3d, preset.n_2d) == (96, 32)
    assert len(preset.three_d) == n_datasets
    assert preset.two_d == (("mpii", 8), ("coco", 8), ("jrdb", 8), ("posetrack", 8))


def test_presets_are_table_s1():
    assert PRESETS["small"].three_d == (("h36m", 32), ("muco", 32), ("surreal", 32))
    assert dict(PRESETS["medium"].three_d) == MEDIUM
    words = FULL.split()
    expected = tuple(zip(words[::2], map(int, words[1::2]), strict=True))
    assert PRESETS["full"].three_d == expected


def test_presets_name_adapters():
    from dataset_adapters import list_adapters

    assert set(PRESETS["full"].datasets) <= set(list_adapters())
    assert set(PRESETS["medium"].datasets) <= set(PRESETS["full"].datasets)


def test_places_of_missing_datasets_are_shared_by_largest_remainder():
    whole = Composition((("a", 5), ("b", 3), ("c", 2), ("d", 6)), (("e", 4), ("f", 4)))
    # 16 places over 5 : 3 : 2 are 8, 4.8, 3.2: the one place left goes to b.
    assert whole.restricted({"a", "b", "c", "e", "f"}) == Composition(
        (("a", 8), ("b", 5), ("c", 3)), whole.two_d
    )
    # 16 over 3 : 2 are 9.6 and 6.4.
    assert whole.restricted({"b", "c", "f"}) == Composition((("b", 10), ("c", 6)), (("f", 8),))
    assert whole.restricted({"a", "b", "c", "d", "e", "f", "g"}) == whole


def test_of_equal_remainders_the_first_gets_the_place():
    whole = Composition((("a", 1), ("b", 1), ("c", 1), ("d", 1)))
    assert whole.restricted({"a", "b", "d"}).three_d == (("a", 2), ("b", 1), ("d", 1))


def test_full_without_one_keeps_its_sums():
    full = PRESETS["full"]
    left = full.restricted(set(full.datasets) - {"h36m", "coco"})
    assert (left.n_3d, left.n_2d) == (96, 32)
    assert all(count >= dict(full.three_d)[name] for name, count in left.three_d)


def test_a_part_cannot_vanish():
    with pytest.raises(UserError, match="none of the 2D datasets .mpii, coco, jrdb, posetrack."):
        PRESETS["small"].restricted({"h36m", "muco", "surreal"})


@pytest.mark.parametrize(
    ("three_d", "message"),
    [
        ({"a": 0}, "count of 'a' must be a whole number from 1 on. Received 0"),
        ({"a": 1.5}, "Received 1.5"),
        ({"a": True}, "Received True"),
        ((("a", 1), ("a", 2)), "'a' is given twice"),
        ({}, "must name a dataset"),
    ],
)
def test_bad_compositions_are_refused(three_d, message):
    with pytest.raises(UserError, match=message):
        Composition(three_d)


def test_an_unknown_preset_is_refused():
    with pytest.raises(UserError, match="Did you mean medium?"):
        composition("mediun")
