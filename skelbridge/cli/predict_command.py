"""`skelbridge predict`."""

from __future__ import annotations

from pathlib import Path

import click

from .options import warn
from .shell import FormatName


@click.command()
@click.argument("run", metavar="RUN", type=click.Path())
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True, type=click.Path())
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=FormatName(),
    metavar="FORMAT",
    help="Format of the poses; may be repeated. Default: all that RUN predicts.",
)
@click.option(
    "--boxes",
    type=click.Path(),
    metavar="JSON",
    help="The people: {image: [[left, top, width, height]]}, or COCO results. Default: every image "
    "is one person.",
)
@click.option(
    "--min-score", default=0.5, show_default=True, help="Less sure boxes of COCO results are left."
)
@click.option(
    "--fov",
    "fov_degrees",
    default=55.0,
    show_default=True,
    metavar="DEGREES",
    help="Field of view along the larger side of the images.",
)
@click.option("--no-flip", is_flag=True, help="Do not average over the mirror image (faster).")
@click.option("--checkpoint", type=int, metavar="STEP", help="Of RUN. Default: the last.")
@click.option(
    "-o",
    "--out",
    "output",
    required=True,
    type=click.Path(),
    metavar="OUT.json|OUT.npz",
    help="An .npz goes on to `skelbridge convert` and `view`.",
)
@click.option(
    "--overlay",
    type=click.Path(),
    metavar="OUT.png",
    help="Draw the skeletons over the image; OUT_1_NAME.png, ... for several images.",
)
def predict(run, images, output, overlay, checkpoint, no_flip, **options):
    """Predict absolute poses of people in pictures with a trained model.

    skelbridge predict RUN street.jpg --boxes boxes.json --format smpl -o people.json

    Positions are in mm in the frame of the image's camera: x right, y down, z forward. Formats that
    RUN does not predict are made from one that it does. Distances depend on --fov. Images with an
    EXIF orientation are turned first, and boxes are of the turned image.
    """
    from ..predicting import (
        PredictOptions,
        check_output,
        overlay_paths,
        target_formats,
        write_overlays,
        write_predictions,
    )
    from ..predicting import predict as predict_images
    from ..predicting.overlays import check_inputs_stay
    from ..predicting.running import check_inputs
    from ..training.run_folder import find_checkpoint, load_run, read_run

    # All that can be wrong is found before TensorFlow is loaded.
    options = PredictOptions(mirror_averaged=not no_flip, **options)
    check_output(output)
    drawn = overlay_paths(overlay, images) if overlay else []
    inputs = [*images, options.boxes] if options.boxes else images
    check_inputs_stay([output, *drawn], inputs)
    check_inputs(images, options)

    config, _ = read_run(run)
    find_checkpoint(Path(run), checkpoint)
    target_formats(config.data.registry(), options.formats)

    loaded = load_run(run, checkpoint=checkpoint)
    predictions = predict_images(loaded, images, options, shows_progress=True)
    warn(predictions.notes)
    write_predictions(output, predictions)
    click.echo(f"{output}: {predictions.summary()}")
    for path in write_overlays(overlay, predictions) if overlay else ():
        click.echo(f"drawn: {path}")
