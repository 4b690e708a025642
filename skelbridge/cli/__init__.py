"""The command line: parse, call one library function, print.

Nothing heavy is imported here: `skelbridge --help` starts in the time that Python and numpy need.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from skeleton_defs import UserError

from .acae_command import acae
from .accuracy_command import accuracy
from .convert_command import convert
from .datasets_command import datasets
from .fit_command import fit
from .format_commands import formats, show
from .interrupt import end_interrupted
from .predict_command import predict
from .prepare_command import prepare
from .reproduce_command import reproduce
from .shell import completion
from .store_command import store
from .synth_command import synth
from .train_command import finetune, train
from .validate_command import validate
from .view_command import view


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="skelbridge")
def cli():
    """Convert 3D and 2D human poses between any two skeleton formats."""


for _command in (
    convert, accuracy, fit, acae, formats, show, view, datasets, prepare, store, synth,
    train, finetune, predict, reproduce, completion,
):  # fmt: skip
    cli.add_command(_command)
store.add_command(validate)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and exits: 0, 2 for a user's mistake; Ctrl-C ends it by the signal."""
    # Less noise where TensorFlow is loaded. What its libraries say while they are being loaded
    # (oneDNN, CUDA) ignores this: https://github.com/tensorflow/tensorflow/issues/100442
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        cli.main(args=arguments, prog_name="skelbridge", standalone_mode=False)
    except UserError as error:
        _fail(str(error))
    except click.ClickException as error:
        hint = getattr(error, "ctx", None)
        _fail(error.format_message() + (f" (see {hint.command_path} --help)" if hint else ""))
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted; nothing was left half-written.", err=True)
        end_interrupted()
    except BrokenPipeError:
        # The reader of our output has gone (as in `skelbridge formats | head`).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def _fail(message: str) -> None:
    click.echo("Error: " + " ".join(message.split("\n")), err=True)
    sys.exit(2)
