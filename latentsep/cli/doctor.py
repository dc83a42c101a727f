"""``latentsep doctor``: is everything there that a job needs, and if not, what to do."""

import os
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from latentsep.cli import options
from latentsep.cli.exit_codes import EXIT_REJECTS
from latentsep.cli.json_document import print_json
from latentsep.cli.progress import printable

if TYPE_CHECKING:
    from latentsep.pipeline.doctor import Check


@click.command()
@click.argument("out", required=False)
@click.option("--manifest", help="Read this manifest too, and the first of its sources.")
@click.option("--address", help="Join this Ray cluster too: auto, HOST:PORT or http://HOST:8265.")
@options.MODEL
@options.OUTPUT
def doctor(
    out: str | None, manifest: str | None, address: str | None, model: str, output: str
) -> None:
    """Check this machine, and OUT, a manifest and a Ray cluster where given.

    Small objects are written to OUT and removed again; nothing else is changed.

    Exit codes: 0 a job can run, perhaps with warnings; 1 something failed; each failure says what
    to do.
    """
    from latentsep.pipeline.doctor import machine_checks
    from latentsep.pipeline.doctor_ray import ray_checks
    from latentsep.pipeline.doctor_storage import manifest_checks, output_checks
    from latentsep.storage import StoreSettings

    settings = StoreSettings()
    checks = [*machine_checks(model), *ray_checks(address, os.environ)]
    if out is not None:
        checks += output_checks(out, settings, os.environ)
    if manifest is not None:
        checks += manifest_checks(manifest, settings)
    if output == "json":
        print_json([asdict(check) for check in checks])
    else:
        for check in checks:
            _print(check)
    if any(check.state == "failed" for check in checks):
        sys.exit(EXIT_REJECTS)


def _print(check: "Check") -> None:
    click.echo(f"{check.state:8}{check.name}: {printable(check.what)}")
    if check.fix:
        click.echo(f"{'':8}fix: {printable(check.fix)}")
