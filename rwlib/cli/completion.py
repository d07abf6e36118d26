"""``rwlib completion``: what a shell needs to complete commands, options and values."""

from __future__ import annotations

import click


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> int:
    """Print the script with which a shell completes rwlib's commands, options and values.

    For bash put `eval "$(rwlib completion bash)"` into ~/.bashrc; for zsh `eval "$(rwlib
    completion zsh)"` into ~/.zshrc; for fish `rwlib completion fish | source` into
    ~/.config/fish/config.fish.
    """
    from click.shell_completion import get_completion_class

    from rwlib.cli import VARIABLE, cli

    kind = get_completion_class(shell)
    assert kind is not None
    made = kind(cli, {}, "rwlib", VARIABLE)
    # Not `source`, which first asks the bash of this machine for its version.
    click.echo(made.source_template % made.source_vars(), nl=False)
    return 0
