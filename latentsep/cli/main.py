"""The command group, its exit codes, and nothing else. Imports neither torch nor Ray."""

import io
import sys

import click

from latentsep.cli.benchmark import benchmark
from latentsep.cli.demo import demo
from latentsep.cli.evaluate import evaluate
from latentsep.cli.exit_codes import EXIT_CONFIG, EXIT_INTERRUPTED, EXIT_REJECTS
from latentsep.cli.models import models
from latentsep.cli.progress import printable
from latentsep.cli.separate import separate
from latentsep.cli.train import train
from latentsep.errors import ConfigError, LatentsepError
from latentsep.version import __version__


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="latentsep")
def cli() -> None:
    """Separate the singing voice from music, one song or a whole catalogue."""


for command in (separate, models, demo, evaluate, train, benchmark):
    cli.add_command(command)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; errors made for the user become one line and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A name that the terminal's encoding lacks must not end the run.
            stream.reconfigure(errors="backslashreplace")
    try:
        cli(arguments, prog_name="latentsep", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except ConfigError as error:
        click.echo(f"Error: {printable(str(error))}", err=True)
        sys.exit(EXIT_CONFIG)
    except LatentsepError as error:
        click.echo(f"Error: {printable(str(error))}", err=True)
        sys.exit(EXIT_REJECTS)
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted; run the same command again to go on.", err=True)
        sys.exit(EXIT_INTERRUPTED)
