"""The commands; thin. Results go to stdout, logs to stderr."""

import sys
from importlib import import_module
from pathlib import Path

import click

from notifier.cli.context import Context
from notifier.errors import (
    ConfigurationError,
    DatabaseError,
    DatabaseHeldError,
    NotifierError,
)

FAILED, WRONG, HELD, UNREACHABLE, INTERRUPTED = 1, 2, 3, 4, 130


_COMMANDS = {
    "run": "run",
    "check": "check",
    "test": "test",
    "status": "look",
    "history": "look",
    "incidents": "look",
    "deliveries": "deliveries",
    "explain": "explain",
    "verify": "verify",
    "evidence": "evidence",
    "report": "report",
    "replay": "replay",
    "ack": "ack",
    "unack": "ack",
    "silence": "silence",
    "db": "db",
    "config": "config",
    "simulate": "simulate",
    "demo": "demo",
}


class _Commands(click.Group):
    """Imports a command's module when it is asked for: the libraries of all of them take seconds."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - same
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"notifier.cli.{_COMMANDS[cmd_name]}"), cmd_name)
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="cni-notifier", message="%(version)s")
@click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Configuration file; else NOTIFIER_CONFIG, config/notifier.yaml, /etc/notifier/notifier.yaml.",
)
@click.option("--log-format", type=click.Choice(["text", "json"]), help="How log lines look.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), help="What is logged.")
@click.pass_context
def notifier(click_context: click.Context, path: Path | None, log_format: str | None, log_level: str | None) -> None:
    """Tells, once and durably, that a Cloudflare Network Interconnect changed its state."""
    click_context.obj = Context(path=path, log_format=log_format, log_level=log_level)


def main() -> None:
    """Run a command; every mistake becomes a sentence on stderr and an exit code."""
    try:
        code = notifier.main(standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.exit(FAILED)
    except NotifierError as error:
        sys.exit(_complain(error))
    except ExceptionGroup as group:
        errors, others = group.split(NotifierError)
        if others is not None or errors is None:
            raise
        sys.exit(max(_complain(error) for error in _leaves(errors)))
    sys.exit(code if isinstance(code, int) else 0)


def _leaves(group: BaseExceptionGroup[NotifierError]) -> list[NotifierError]:
    return [
        leaf
        for error in group.exceptions
        for leaf in (_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]


def _complain(error: NotifierError) -> int:
    for line in str(error).splitlines():
        click.echo(f"notifier: {line}", err=True)
    match error:
        case ConfigurationError():
            return WRONG
        case DatabaseHeldError():
            return HELD
        case DatabaseError():
            return UNREACHABLE
        case _:
            return FAILED
