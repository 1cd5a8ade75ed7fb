"""Say in one sentence what is wrong with the arguments of a command (status 2); `cli.main` shows all other errors."""

import sys
from typing import Any

import typer
from typer.core import TyperGroup

from instageo.errors import did_you_mean

USAGE_ERROR: type[Exception] = typer.BadParameter.__bases__[0]
"""Error of arguments that are unknown, missing or wrong: `UsageError` of Click or of Typer."""


class PlainErrorGroup(TyperGroup):
    """A command with subcommands that says in a line what is wrong, where Typer draws a frame around several."""

    def main(self, *arguments: Any, standalone_mode: bool = True, **options: Any) -> Any:
        """Run the command and end the program, with status 2 if its arguments are wrong."""
        run: Any = super().main
        if not standalone_mode:
            return run(*arguments, standalone_mode=False, **options)
        try:
            status = run(*arguments, standalone_mode=False, **options)
        except USAGE_ERROR as error:
            sentence = describe_usage_error(error)
            typer.echo(f"error: {sentence}" if sentence else "", err=True, nl=bool(sentence))
            status = 2
        except typer.Abort:
            typer.echo("Aborted.", err=True)
            status = 1
        sys.exit(status if isinstance(status, int) else 0)


def describe_usage_error(error: Any) -> str:
    """Return the sentence for an error of arguments; empty if none were given, for which the help was shown."""
    if type(error).__name__ == "NoArgsIsHelpError":
        return ""
    context = error.ctx
    command = context.command_path if context else "instageo"
    if type(error).__name__ == "NoSuchOption":
        available = [name for parameter in context.command.params for name in parameter.opts] if context else []
        reason = f"unknown option {error.option_name}{did_you_mean(error.option_name, available)}"
    else:
        words = " ".join(error.format_message().split()).rstrip(".")
        reason = (words[:1].lower() + words[1:]).replace(". Did you mean", "; did you mean")
    return f"{command}: {reason}{'' if reason.endswith('?') else ';'} see {command} --help"
