"""Backgrounds, drawn and given."""

import cv2
import numpy as np
import pytest

from dataset_adapters.containers.errors import FileError
from skelbridge.synth.backgrounds import DRAWN, cut_out, digest_of, list_images
from skelbridge.synth.looks import LOOKS
from skeleton_defs import UserError


@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.parametrize("size", [32, 161])
def test_drawn_by_the_seed(name, size):
    first, again, other = (DRAWN[name](np.random.default_rng(s), size) for s in (1, 1, 2))
    assert first.shape == (size, size, 3) and first.dtype == np.uint8
    assert (first == again).all() and (first != other).any()
    assert first.std() > 1


def test_every_look_has_its_own():
    used = [look.background for look in LOOKS.values()]
    assert set(used) == set(DRAWN) and len(set(used)) == len(used)


class TestGiven:
    def test_a_square_of_an_image(self, tmp_path):
        image = np.zeros((60, 90, 3), np.uint8)
        image[:, :, 1] = 200
        (tmp_path / "deeper").mkdir()
        cv2.imwrite(str(tmp_path / "deeper" / "green.png"), image)
        cv2.imwrite(str(tmp_path / "a.png"), image[..., [1, 0, 2]])
        (tmp_path / "notes.txt").write_text("no image")
        names = list_images(tmp_path)
        assert names == ["a.png", "deeper/green.png"]
        seen = {
            tuple(cut_out(np.random.default_rng(s), 40, str(tmp_path), tuple(names))[0, 0].tolist())
            for s in range(12)
        }
        assert seen == {(0, 200, 0), (0, 0, 200)}

    def test_the_digest_tells_content_apart(self, tmp_path):
        (tmp_path / "a.png").write_bytes(b"1")
        first = digest_of(tmp_path, ["a.png"])
        (tmp_path / "a.png").write_bytes(b"2")
        assert digest_of(tmp_path, ["a.png"]) != first

    def test_none_there(self, tmp_path):
        with pytest.raises(UserError, match="expected background images .* found none"):
            list_images(tmp_path)
        with pytest.raises(UserError, match="expected a folder of background images"):
            list_images(tmp_path / "nowhere")

    def test_no_image(self, tmp_path):
        (tmp_path / "a.jpg").write_bytes(b"not a picture")
        with pytest.raises(FileError, match="a.jpg.*expected an image"):
            cut_out(np.random.default_rng(0), 40, str(tmp_path), ("a.jpg",))
