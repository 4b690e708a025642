"""Checks of fine-tuning that need TensorFlow; see `keras_backends`."""

import dataclasses
import functools

import numpy as np
from run_check_trainer import Eagerly, message_of
from small_runs import FORMATS, config, copied, folder, store, whole

from skelbridge.acae import Acae
from skelbridge.data import evaluation_batches
from skelbridge.store import open_store
from skelbridge.training import fine_tuning
from skelbridge.training.checkpoints import checkpoint_path, load_checkpoint
from skelbridge.training.fine_tuning import (
    fine_tuning_config,
    fit_to_predictions,
    predicted_poses,
    pseudo_ground_truth,
)
from skelbridge.training.network import build_model
from skelbridge.training.run_folder import acae_of, load_run
from skelbridge.training.trainer import prepared_step, train
from skeleton_defs import UserError

REGISTRY = config().data.registry()


@functools.cache
def acae():
    """An autoencoder of 34 joints and 6 latents; nothing that a fit would find."""
    rng = np.random.default_rng(0)
    w1, w2 = rng.normal(size=(34, 6)), rng.normal(size=(6, 34))
    path = folder() / "by_hand.npz"
    fitted = Acae(w1 / w1.sum(0), w2 / w2.sum(0), joint_names=REGISTRY.names)
    fitted.save(path)
    return path


def tuned(variant, **changes):
    lines = tuple(f"{key.replace('__', '.')}={value}" for key, value in changes.items())
    return fine_tuning_config(whole(), variant, acae=acae(), changes=lines)


def begun(variant):
    settings = tuned(variant)
    return prepared_step(settings, REGISTRY, acae_of(settings, None), start_weights=True).model


def base_model(step=5):
    model = prepared_step(config(), REGISTRY, start_weights=False).model
    load_checkpoint(checkpoint_path(whole() / "checkpoints", step), model.variables)
    return model


def same(weights, others):
    return [bool((a.numpy() == b.numpy()).all()) for a, b in zip(weights, others, strict=True)]


def check_control_and_output_begin_with_the_weights_of_the_base():
    """Those from before its last phase, which is step 5."""
    for variant in ("control", "output"):
        assert all(same(begun(variant).weights, base_model().weights)), variant
    assert not all(same(begun("control").weights, base_model(8).weights))


def check_another_checkpoint():
    settings = tuned("control", fine_tuning__checkpoint=8)
    model = prepared_step(settings, REGISTRY, start_weights=True).model
    assert all(same(model.weights, base_model(8).weights))
    settings = tuned("control", fine_tuning__checkpoint=7)
    message = message_of(UserError, prepared_step, settings, REGISTRY, start_weights=True)
    assert "no checkpoint of step 7; there are: 5, 6, 8" in message


def check_hybrid_and_latent_take_over_what_there_is():
    base = base_model()
    kernel, bias = base.head.kernel_and_bias()
    hybrid = begun("hybrid")
    assert hybrid.groups == [6, 34]
    assert all(same(hybrid.backbone.weights, base.backbone.weights))
    new_kernel, new_bias = hybrid.head.kernel_and_bias()
    assert (new_kernel[..., 6:] == kernel).all() and (new_bias[..., 6:] == bias).all()
    assert not np.isin(new_kernel[..., :6], kernel).any()
    latent = begun("latent")
    assert latent.groups == [6]
    assert all(same(latent.backbone.weights, base.backbone.weights))


def check_steps_and_phases():
    settings = config().replaced(steps=4000, phases=config().phases.scaled(4000, of=8))
    assert vars(settings.phases) == {
        "full_perspective_from": 1000, "absolute_after": 1500, "teacher_after": 500,
        "stored_statistics_last": 1500,
    }  # fmt: skip
    run = copied(whole(), "long")
    from skelbridge.training.config_file import write_config

    write_config(run / "config.yaml", settings)
    checkpoint_path(run / "checkpoints", 8).rename(checkpoint_path(run / "checkpoints", 4000))
    for variant, full, absolute in (("output", 0, 0), ("latent", 8, 50), ("hybrid", 8, 50)):
        found = fine_tuning_config(run, variant, acae=acae())
        assert found.steps == 400
        assert found.phases.full_perspective_from == full
        assert found.phases.absolute_after == absolute
        assert found.phases.teacher_after == 50  # 5,000 of 40,000
        assert found.phases.stored_statistics_last == 200
        # Without the checkpoint from before its last phase, the last one.
        assert found.fine_tuning.checkpoint == 4000
        # The decay is that of the first training's number of steps.
        rates = dataclasses.replace(settings.rates, weight_decay=3e-3 / 4000**0.5 / 1e-3)
        assert (found.seed, found.data, found.rates) == (3, settings.data, rates)
    checkpoint_path(run / "checkpoints", 5).rename(checkpoint_path(run / "checkpoints", 2500))
    assert fine_tuning_config(run, "control").fine_tuning.checkpoint == 2500
    checkpoint_path(run / "checkpoints", 4000).unlink()
    message = message_of(UserError, fine_tuning_config, run, "control")
    assert "has 2500 of its 4000 steps; finish it with --resume" in message


def check_published_weights_are_read_at_the_start_only():
    """A checkpoint holds all weights: their file may be gone when it is loaded."""
    settings = config(model__weights="imagenet")
    build_model(settings, REGISTRY, None)
    message = message_of(UserError, build_model, settings, REGISTRY, None, start_weights=True)
    assert "no published weights for the backbone 'small'" in message


@functools.cache
def trained(variant):
    run, settings = folder() / variant, tuned(variant, steps=2)
    with Eagerly():
        train(settings, run)
    return run


def some_batch(**options):
    crop = config().data.crop_options(image_dtype="uint8")
    arrays = evaluation_batches(
        open_store(store()), REGISTRY, np.arange(5), crop=crop, workers=1, **options
    )
    (batch,) = arrays
    return batch


def check_poses_are_decoded():
    batch = some_batch()
    inputs = {"image": np.float32(batch["image"]) / 255, "K": batch["K"]}
    fitted = Acae.load(acae())
    for variant, points in (("latent", 6), ("hybrid", 40), ("output", 34), ("control", 34)):
        run = load_run(trained(variant))
        assert run.step == 2 and run.registry.names == REGISTRY.names
        assert run.is_synthetic_only and run.trained_on == ("synth_a", "synth_b", "synth_2d")
        raw = run.model(inputs, training=False)["joints3d"].numpy()
        assert raw.shape == (5, points, 3)
        expected = fitted.decode(raw[:, :6].astype(float)) if points in (6, 40) else raw
        poses = run.poses(batch)
        assert poses.shape == (5, 34, 3) and poses.dtype == np.float32
        # Compiled and uncompiled differ in the last bits, which the distance magnifies.
        np.testing.assert_allclose(poses, expected, atol=1)
        # The same picture as float32 in [0, 1].
        np.testing.assert_allclose(run.poses(inputs), poses, atol=0.5)


def check_images_of_another_size():
    run = load_run(whole())
    batch = {"image": np.zeros((2, 96, 96, 3), np.uint8), "K": np.eye(3)[None].repeat(2, 0)}
    assert "must have shape (B, 64, 64, 3)" in message_of(UserError, run.poses, batch)


def check_runs_stand_alone():
    """The base and its autoencoder may go, or change: the run has its own."""
    run = copied(trained("latent"), "alone")
    path = folder() / "elsewhere.npz"
    Acae.load(acae()).save(path)
    text = (run / "config.yaml").read_text().replace(str(acae()), str(path))
    text = text.replace(str(whole()), "/nowhere")
    (run / "config.yaml").write_text(text)
    expected = load_run(run).poses(some_batch())
    other = Acae.load(acae())
    Acae(other.w1[::-1], other.w2, joint_names=other.joint_names).save(path)
    assert (load_run(run).poses(some_batch()) == expected).all()
    path.unlink()
    assert (load_run(run).poses(some_batch()) == expected).all()


def check_fine_tuned_runs_go_on_bitwise():
    run, settings = folder() / "hybrid_stopped", tuned("hybrid", steps=2)
    with Eagerly():
        train(settings, run, stop=1)
        train(settings, run, resume=True)
    last = "checkpoints/step_000000002.npz"
    assert (run / last).read_bytes() == (trained("hybrid") / last).read_bytes()


def check_what_cannot_be_fine_tuned():
    message = message_of(UserError, fine_tuning_config, trained("control"), "output", acae=acae())
    assert "is a fine-tuned run; fine-tune the run that it began with" in message
    message = message_of(UserError, fine_tuning_config, whole(), "outputt")
    assert "variant must be one of" in message
    message = message_of(UserError, fine_tuning_config, whole(), "output")
    assert "fine_tuning.acae must be a file" in message
    wrong = tuned("control", fine_tuning__run=trained("latent"), fine_tuning__checkpoint="null")
    message = message_of(UserError, prepared_step, wrong, REGISTRY, start_weights=True)
    assert "must begin with a run that predicts the same formats in separate heads" in message
    fewer = tuned("control", data__formats="[coco]")
    one = fewer.data.registry()
    message = message_of(UserError, prepared_step, fewer, one, start_weights=True)
    assert "must begin with a run that predicts the same formats" in message


def check_predicted_poses_are_averages_of_both_pictures():
    run = load_run(whole())
    indices = np.arange(5)
    averaged = predicted_poses(run, open_store(store()), indices)
    plain, mirrored = run.poses(some_batch()), run.poses(some_batch(flip=True))
    # Joint by joint: the mirrored picture's left wrist is this one's right one.
    names = list(REGISTRY.names)
    expected = np.empty_like(plain)
    for j, name in enumerate(names):
        sides = {"left": "right", "right": "left"}
        partner = next((name.replace(a, b) for a, b in sides.items() if a in name), name)
        other = mirrored[:, names.index(partner)] if partner in names else None
        if other is None:
            other = mirrored[:, REGISTRY.flip[j]]
        expected[:, j] = (plain[:, j] + other * [-1, 1, 1]) / 2
    np.testing.assert_allclose(averaged, expected, atol=0.01)
    assert np.abs(averaged - plain).max() > 1
    unaveraged = predicted_poses(run, open_store(store()), indices, flip=False, workers=2)
    np.testing.assert_allclose(unaveraged, plain, atol=0.01)


def check_a_mirrored_picture_gives_the_mirrored_pose():
    """Averaging over both makes the prediction symmetric, whatever the network says."""
    run = load_run(whole())
    batch = some_batch()
    image = batch["image"][:, :, ::-1]
    K = batch["K"].copy()
    K[:, 0, 2] = 63 - K[:, 0, 2]
    pairs = [(batch["image"], batch["K"]), (image, K)]
    plain, mirrored = (run.poses({"image": np.ascontiguousarray(i), "K": k}) for i, k in pairs)
    average = (plain + mirrored[:, REGISTRY.flip] * np.float32([-1, 1, 1])) / 2
    found = predicted_poses(run, open_store(store()), np.arange(5))
    # The loader's mirrored crop is resampled, this one is turned around: nearly the same picture.
    np.testing.assert_allclose(found, average, atol=30)
    assert np.median(np.abs(found - average)) < 3


def training_images(opened, *datasets):
    batch = opened.batch(np.arange(len(opened)))
    is_wanted = [group.dataset in datasets and group.split == "train" for group in batch.groups]
    return np.flatnonzero(np.array(is_wanted)[batch.group])


def check_pseudo_ground_truth():
    """Of the training images with 3D labels, all or every so many-th; or of those with 2D ones."""
    run, opened = load_run(whole()), open_store(store())
    indices = training_images(opened, "synth_a", "synth_b")
    assert len(indices) == 24
    poses = predicted_poses(run, opened, indices)
    in_front = (poses[..., 2] > 0).all(1)
    assert in_front.sum() > 10
    np.testing.assert_allclose(pseudo_ground_truth(run), poses[in_front], atol=0.01)
    most, fine_tuning.MOST_IMAGES = fine_tuning.MOST_IMAGES, 10
    try:
        found = pseudo_ground_truth(run)
    finally:
        fine_tuning.MOST_IMAGES = most
    np.testing.assert_allclose(found, poses[::3][in_front[::3]], atol=0.01)

    of_2d = predicted_poses(run, opened, training_images(opened, "synth_2d"))
    of_2d = of_2d[(of_2d[..., 2] > 0).all(1)]
    assert len(of_2d) > 3
    np.testing.assert_allclose(pseudo_ground_truth(run, images="2d"), of_2d, atol=0.01)
    assert "3d, 2d" in message_of(UserError, pseudo_ground_truth, run, images="4d")
    without = dataclasses.replace(run.config.data, two_d={})
    without = dataclasses.replace(run, config=run.config.replaced(data=without))
    message = message_of(UserError, pseudo_ground_truth, without, images="2d")
    assert "holds no training images with 2d labels of" in message


def check_fit_and_use():
    run = copied(whole(), "fitted")
    told = []
    path = fit_to_predictions(run, progress=told.append)
    assert path == run / "acae.npz" and told[-1] == 1
    fitted = Acae.load(path)
    assert fitted.joint_names == tuple(REGISTRY.names) and fitted.joints == 34
    options = fine_tuning.default_fit(34)
    assert fitted.latents == options.latents == 10
    assert np.isclose(options.lam, 0.6 * (34 * 10) / (555 * 48))
    assert fine_tuning.default_fit(555).lam == fine_tuning.default_fit(640).lam == 0.6
    settings = fine_tuning_config(run, "output", acae=path)
    assert acae_of(settings, None).latents == 10
    assert settings.data.formats == FORMATS
    assert fine_tuning.acae_path(run) == path
    assert fine_tuning.acae_path(run, "2d") == run / "acae_2d.npz"


def check_no_pose_in_front_of_the_camera():
    run = load_run(whole())
    behind = np.zeros((3, 34, 3))
    original, fine_tuning.predicted_poses = fine_tuning.predicted_poses, lambda *_, **__: behind
    try:
        message = message_of(UserError, pseudo_ground_truth, run)
    finally:
        fine_tuning.predicted_poses = original
    assert "predicts no pose in front of the camera" in message and "train it longer" in message
