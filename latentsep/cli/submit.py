"""``latentsep submit`` and ``latentsep stop``: the job on a cluster, sent from another machine."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from latentsep.cli import options
from latentsep.cli.exit_codes import EXIT_INTERRUPTED, EXIT_REJECTS
from latentsep.cli.json_document import print_json
from latentsep.cli.progress import printable

if TYPE_CHECKING:
    from latentsep.pipeline.submission import ClusterJobs, JobEnd

ADDRESS = click.option(
    "--address",
    required=True,
    metavar="URL",
    help="The cluster's dashboard, http://HOST:8265.",
)
SIGNALLED = 128


@click.command()
@click.argument("manifest")
@click.argument("further", nargs=-1, type=click.UNPROCESSED, metavar="[-- OPTIONS]")
@click.option("-o", "--out", required=True, help="Folder or prefix for the output, as in separate.")
@ADDRESS
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="YAML file of this machine; it is sent with the job.",
)
@click.option("--follow", is_flag=True, help="Show the job's output and exit with its exit code.")
@options.OUTPUT
def submit(
    manifest: str,
    further: tuple[str, ...],
    out: str,
    address: str,
    config: Path | None,
    follow: bool,
    output: str,
) -> None:
    """Send the job of MANIFEST to a Ray cluster.

    The cluster runs `latentsep separate MANIFEST -o OUT --address auto`, with what follows a `--`
    appended. It needs latentsep, and credentials for the storage, of its own. The token is read
    from RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH or ~/.ray/auth_token and sent in a header.

    Exit codes: 0 sent, or with --follow that of the job; 2 the cluster cannot be reached or
    refuses.
    """
    from latentsep.pipeline.submission import separate_command

    command = separate_command(manifest, out, further, has_config=config is not None)
    jobs = _jobs(address)
    submission_id = jobs.submit(command, config)
    if output == "text":
        click.echo(submission_id)
        click.echo(
            f"It ends with: latentsep stop {submission_id} --address {printable(address)}", err=True
        )
    end = _follow(jobs, submission_id, output) if follow else None
    if output == "json":
        _print_end(submission_id, end)
    if end is not None:
        sys.exit(exit_code_of(end))


@click.command()
@click.argument("submission_id", metavar="ID")
@ADDRESS
@options.OUTPUT
def stop(submission_id: str, address: str, output: str) -> None:
    """End the job ID of `latentsep submit`; a rerun goes on where it was.

    The job gets SIGTERM, commits what is done, and is killed if it is still there after
    RAY_JOB_STOP_WAIT_TIME_S: 30 s for jobs sent by `latentsep submit`, 3 s for others unless the
    cluster sets it.

    Exit codes: 0 asked to stop, or ended before; 2 no such job, or the cluster cannot be reached.
    """
    from latentsep.pipeline.submission import STOP_WAIT_NAME, STOP_WAIT_S

    was_running = _jobs(address).stop(submission_id)
    if output == "json":
        print_json({"submission_id": submission_id, "was_running": was_running})
    elif was_running:
        click.echo(
            f"{printable(submission_id)} is asked to stop; it has {STOP_WAIT_NAME} to commit what "
            f"is done: {STOP_WAIT_S} s if `latentsep submit` sent it, else 3 s unless the cluster "
            "sets it."
        )
    else:
        click.echo(f"{printable(submission_id)} had ended before.")


def exit_code_of(end: "JobEnd") -> int:
    """The driver's own exit code; where Ray does not know it, what comes nearest."""
    if end.exit_code is not None:
        return end.exit_code if end.exit_code >= 0 else SIGNALLED - end.exit_code
    return {"SUCCEEDED": 0, "STOPPED": EXIT_INTERRUPTED}.get(end.status, EXIT_REJECTS)


def _jobs(address: str) -> "ClusterJobs":
    from latentsep.pipeline.submission import ClusterJobs, auth_token, sends_token_in_clear

    token = auth_token(os.environ)
    if token and sends_token_in_clear(address):
        click.echo(
            f"Warning: the token goes to {printable(address)} unencrypted; forward the port by "
            "ssh, or use https.",
            err=True,
        )
    return ClusterJobs(address, token)


def _follow(jobs: "ClusterJobs", submission_id: str, output: str) -> "JobEnd":
    try:
        end = jobs.follow(
            submission_id, lambda text: click.echo(text, nl=False, err=output == "json")
        )
    except KeyboardInterrupt:
        click.echo(f"\nThe job {submission_id} goes on; `latentsep stop` ends it.", err=True)
        sys.exit(EXIT_INTERRUPTED)
    if output == "text":
        click.echo(f"{submission_id} {end.status}: {printable(end.message)}", err=True)
    return end


def _print_end(submission_id: str, end: "JobEnd | None") -> None:
    print_json(
        {
            "submission_id": submission_id,
            "status": None if end is None else end.status,
            "exit_code": None if end is None else end.exit_code,
            "message": None if end is None else end.message,
        }
    )
