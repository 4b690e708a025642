"""Shell completion, and the parameter types that know what to complete."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem, get_completion_class

import skeleton_defs


class FormatName(click.ParamType):
    """A skeleton format's name, alias or definition file."""

    name = "format"

    def shell_complete(self, ctx, param, incomplete):
        """Offers format names and short aliases."""
        names = [*skeleton_defs.format_aliases(), *skeleton_defs.list_formats()]
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str):
    """Print the completion script of a shell.

    For bash, add to ~/.bashrc:  eval "$(skelbridge completion bash)"
    """
    from . import cli

    script = get_completion_class(shell)(cli, {}, "skelbridge", "_SKELBRIDGE_COMPLETE")
    click.echo(script.source())
