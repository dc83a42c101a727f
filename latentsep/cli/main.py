"""The command group, its exit codes, and nothing else. Imports neither torch nor Ray."""

import io
import sys

import click

from latentsep.cli.benchmark import benchmark
from latentsep.cli.demo import demo
from latentsep.cli.doctor import doctor
from latentsep.cli.evaluate import evaluate
from latentsep.cli.exit_codes import (
    EXIT_COMMIT,
    EXIT_CONFIG,
    EXIT_INTERRUPTED,
    EXIT_LEASE_HELD,
    EXIT_REJECTS,
)
from latentsep.cli.failed import failed
from latentsep.cli.forget import forget
from latentsep.cli.interruptible import interruptible
from latentsep.cli.leaving import leave
from latentsep.cli.manifest import manifest
from latentsep.cli.models import models
from latentsep.cli.plan import plan
from latentsep.cli.progress import printable
from latentsep.cli.report import report
from latentsep.cli.separate import separate
from latentsep.cli.status import status
from latentsep.cli.submit import stop, submit
from latentsep.cli.train import train
from latentsep.cli.verify import verify
from latentsep.errors import (
    CommitStateUnknownError,
    ConfigError,
    LatentsepError,
    LeaseHeldError,
    LedgerError,
)
from latentsep.version import __version__


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="latentsep")
def cli() -> None:
    """Separate the singing voice from music, one song or a whole catalogue."""


COMMANDS = (
    separate, manifest, plan, status, failed, report, verify, forget, submit, stop, doctor, models,
    demo, evaluate, train, benchmark,
)  # fmt: skip
for command in COMMANDS:
    cli.add_command(command)

_EXIT_CODES: tuple[tuple[type[LatentsepError], int], ...] = (
    (ConfigError, EXIT_CONFIG),
    (LeaseHeldError, EXIT_LEASE_HELD),
    (LedgerError, EXIT_COMMIT),
    (CommitStateUnknownError, EXIT_COMMIT),
    (LatentsepError, EXIT_REJECTS),
)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; errors made for the user become one line and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A name that the terminal's encoding lacks must not end the run.
            stream.reconfigure(errors="backslashreplace")
    try:
        with interruptible():
            cli(arguments, prog_name="latentsep", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except LatentsepError as error:
        click.echo(f"Error: {printable(str(error))}", err=True)
        leave(next(code for kind, code in _EXIT_CODES if isinstance(error, kind)))
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted; run the same command again to go on.", err=True)
        leave(EXIT_INTERRUPTED)
