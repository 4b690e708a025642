"""From pictures to poses in the frames of their cameras, with a run that sees dots."""

import cv2
import numpy as np
import pytest
from looking_run import DEPTH_MM, LookingRun, picture_of_dots

import skeleton_defs
from skelbridge.conversion import AffineMap
from skelbridge.predicting import PredictOptions, camera_from_fov, predict, read_boxes
from skeleton_defs import UserError

SIZE = (320, 240)
#: Of two people: the right side's dot, the left side's dot.
DOTS = np.array([[[40.3, 60.6], [70.8, 72.1]], [[250.2, 180.9], [290.7, 170.4]]])
BOXES = "[[20, 40, 70, 60], [235, 150, 75, 60]]"
SIDES = {"right": 0, "left": 1}


@pytest.fixture
def folder(tmp_path):
    cv2.imwrite(str(tmp_path / "two.png"), picture_of_dots(SIZE, DOTS.reshape(-1, 2)))
    cv2.imwrite(str(tmp_path / "one.png"), picture_of_dots(SIZE, DOTS[0]))
    (tmp_path / "boxes.json").write_text(f'{{"two.png": {BOXES}}}')
    return tmp_path


def places_of(skeleton, dots):
    """Returns where the joints (J, 2) of a person with two dots (2, 2) are."""
    where = {"right": dots[0], "left": dots[1], "centre": dots.mean(axis=0)}
    return np.array([where[side] for side in skeleton_defs.get(skeleton).sides])


@pytest.mark.parametrize("averaged", [True, False])
def test_joints_land_where_they_were_seen(folder, averaged):
    run = LookingRun()
    options = PredictOptions(("smpl", "h36m"), boxes=folder / "boxes.json",
                             mirror_averaged=averaged)  # fmt: skip
    predictions = predict(run, [folder / "two.png"], options)
    (image,) = predictions.images
    assert len(run.batches) == 1 + averaged
    assert predictions.n_people == 2
    camera = camera_from_fov(SIZE, 55)
    for name in ("smpl_24", "h36m_17"):
        for person, dots in enumerate(DOTS):
            pixels = image.joints2d[name][person]
            sided = np.array(skeleton_defs.get(name).sides) != "centre"
            expected = places_of(name, dots)
            np.testing.assert_allclose(pixels[sided], expected[sided], atol=0.25)
            # The middle of two points is seen elsewhere from the turned camera, by a little.
            np.testing.assert_allclose(pixels, expected, atol=1.0)
            poses = image.joints3d[name][person]
            np.testing.assert_allclose(camera.image_from_camera(poses), pixels, atol=1e-6)
            # All were at one depth before the box's centre; the person is aside of the middle.
            distances = np.linalg.norm(poses, axis=1)
            assert (distances > DEPTH_MM).all() and (distances < 1.05 * DEPTH_MM).all()


def test_mirrored_crops_give_the_same_pose(folder):
    options = {"boxes": folder / "boxes.json"}
    both, plain = (
        predict(LookingRun(), [folder / "two.png"], PredictOptions(mirror_averaged=m, **options))
        for m in (True, False)
    )
    for name in ("smpl_24", "h36m_17"):
        difference = both.images[0].joints3d[name] - plain.images[0].joints3d[name]
        assert np.abs(difference).max() < 5  # mm; 4 m away, a pixel is 13 mm.


def test_people_stay_with_their_pictures(folder):
    (folder / "many.json").write_text(f'{{"two.png": {BOXES}, "one.png": [[20, 40, 70, 60]]}}')
    images = [folder / "one.png", folder / "two.png"] * 12  # more people than one batch holds
    run = LookingRun()
    predictions = predict(run, images, PredictOptions(("smpl",), boxes=folder / "many.json"))
    assert [len(image.boxes) for image in predictions.images] == [1, 2] * 12
    assert [len(batch["image"]) for batch in run.batches] == [32, 32, 4, 4]
    first = predictions.images[:2]
    for place, image in enumerate(predictions.images):
        np.testing.assert_array_equal(
            image.joints3d["smpl_24"], first[place % 2].joints3d["smpl_24"]
        )
    np.testing.assert_allclose(
        first[0].joints2d["smpl_24"][0], first[1].joints2d["smpl_24"][0], atol=1e-6
    )


def test_without_boxes_the_whole_image_is_a_person(folder):
    predictions = predict(LookingRun(), [folder / "one.png"], PredictOptions(("smpl",)))
    (image,) = predictions.images
    np.testing.assert_array_equal(image.boxes, [[-0.5, -0.5, 320, 240]])
    assert any("no --boxes" in note for note in predictions.notes)
    np.testing.assert_allclose(image.joints2d["smpl_24"][0], places_of("smpl", DOTS[0]), atol=1.0)
    np.testing.assert_allclose(image.joints3d["smpl_24"][..., 2], DEPTH_MM, rtol=1e-4)


def test_nobody(folder):
    (folder / "none.json").write_text('{"one.png": []}')
    run = LookingRun()
    predictions = predict(run, [folder / "one.png"], PredictOptions(boxes=folder / "none.json"))
    assert predictions.n_people == 0 and not run.batches
    assert predictions.images[0].joints3d["smpl_24"].shape == (0, 24, 3)
    assert predictions.images[0].joints2d["h36m_17"].shape == (0, 17, 2)


def test_formats_that_are_not_predicted_are_made(folder):
    options = PredictOptions(("h36m", "coco_19", "smplh"), boxes=folder / "boxes.json")
    predictions = predict(LookingRun(), [folder / "two.png"], options)
    direct, made, hands = predictions.targets
    assert direct.made_by is None and direct.summary() == "h36m_17 (predicted)"
    maps = {s: AffineMap.between(s, "coco_19") for s in ("smpl_24", "h36m_17")}
    assert made.made_by.mean_error_mm == min(m.mean_error_mm for m in maps.values())
    source = made.made_by.source.name
    assert f"made from {source}, adds an expected" in made.summary()
    own = predict(
        LookingRun(), [folder / "two.png"], PredictOptions((source,), boxes=folder / "boxes.json")
    ).images[0]
    np.testing.assert_allclose(
        predictions.images[0].joints3d["coco_19"], maps[source].apply(own.joints3d[source]),
        atol=1e-6,
    )  # fmt: skip
    # SMPL-H shares its body joints with SMPL; its fingers come out with an error or not at all.
    assert hands.made_by.source.name == "smpl_24"
    assert hands.made_by.status_counts["copied"] >= 22
    facts = hands.to_dict()
    assert len(facts["expected_error_mm"]) == len(facts["joint_names"]) == 52


def test_a_format_within_another_is_predicted_too(folder):
    options = PredictOptions(("humanml3d",))
    predictions = predict(LookingRun(), [folder / "one.png"], options)
    assert predictions.targets[0].made_by is None
    whole = predict(LookingRun(), [folder / "one.png"], PredictOptions(("smpl",)))
    np.testing.assert_array_equal(
        predictions.images[0].joints3d["humanml3d_22"],
        whole.images[0].joints3d["smpl_24"][:, :22],
    )


def test_synthetic_models_are_told(folder):
    image = [folder / "one.png"]
    notes = predict(LookingRun(), image).notes
    assert any("synthetic people only (synth_a): expect it to fail" in note for note in notes)
    notes = predict(LookingRun(is_synthetic_only=False), image).notes
    assert not any("synthetic" in note for note in notes)


def test_one_sided_formats_are_not_averaged(folder):
    run = LookingRun()
    arm = skeleton_defs.get("h36m").select(["left_shoulder", "left_elbow", "left_wrist"])
    run.registry = skeleton_defs.JointRegistry(["smpl_24", arm])
    predictions = predict(run, [folder / "one.png"], PredictOptions(("smpl",)))
    assert len(run.batches) == 1 and not predictions.is_mirror_averaged
    assert any("not averaged" in note for note in predictions.notes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"formats": ("smlp",)}, "Did you mean smpl"),
        ({"fov_degrees": 180}, "from 1 to 179"),
    ],
)
def test_unfit_options(options, message):
    with pytest.raises(UserError, match=message):
        PredictOptions(**options)


def test_boxes_out_of_the_picture(folder):
    (folder / "b.json").write_text('{"one.png": [[400, 0, 10, 10]]}')
    assert len(read_boxes(folder / "b.json", ["one.png"])[0][0]) == 1
    with pytest.raises(UserError, match="one.png: box 1 .* must meet the image's 320 x 240"):
        predict(LookingRun(), [folder / "one.png"], PredictOptions(boxes=folder / "b.json"))


def test_with_a_real_network(folder):
    """An untrained one: a mirrored picture must give the mirrored pose."""
    keras = pytest.importorskip("keras")
    from skelbridge.nn import MetricPoseModel

    class NetworkRun(LookingRun):
        model = MetricPoseModel(41, crop=64, seed=3)

        def poses(self, batch):
            return keras.ops.convert_to_numpy(self.model(batch, training=False)["joints3d"])

    run = NetworkRun(crop=64)
    assert len(run.registry) == 41
    picture = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    picture = cv2.resize(picture, (200, 150), interpolation=cv2.INTER_CUBIC)
    boxes = np.array([[20, 30, 60, 80]])
    for name, pixels, left in (("a", picture, 20), ("b", picture[:, ::-1], 200 - 1 - 20 - 60)):
        cv2.imwrite(str(folder / f"{name}.png"), pixels)
        boxes[0, 0] = left
        (folder / f"{name}.json").write_text(f'{{"{name}.png": {boxes.tolist()}}}')
    found = [
        predict(run, [folder / f"{name}.png"], PredictOptions(boxes=folder / f"{name}.json"))
        for name in "ab"
    ]
    for skeleton in ("smpl_24", "h36m_17"):
        pose, mirrored = (f.images[0].joints3d[skeleton][0] for f in found)
        assert np.isfinite(pose).all()
        expected = mirrored[list(skeleton_defs.get(skeleton).flip)] * [-1, 1, 1]
        np.testing.assert_allclose(pose, expected, rtol=1e-3, atol=2)
        assert np.ptp(pose, axis=0).max() > 20  # not all one point
