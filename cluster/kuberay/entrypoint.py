"""Entrypoint of the RayJob: runs the catalogue job and says whether Kubernetes should try again.

``entrypoint.py MANIFEST -o OUT [OPTIONS]`` runs ``latentsep separate`` with these arguments. An end
that a new try would not change gives 0, so that KubeRay's ``backoffLimit`` counts only
interruptions and crashes. ``entrypoint.py --stop`` is the preStop hook of the head: it asks the job
of this container to end and waits until it has.

Standard library alone: it must work where the installation is broken, and say so.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

PROGRAM = ("latentsep", "separate")
FINAL = frozenset({0, 2, 4})
"""Done; a setting or the manifest is wrong; the ledger needs somebody to look at it."""
EXIT_REJECTS = 1
"""Of a job that came to its end, and of one that broke off: only the first prints its report."""
SIGNALLED = 128
PID_FILE = Path(tempfile.gettempdir(), "latentsep-job.pid")
STOP_WAIT_S = 60.0
POLL_EVERY_S = 0.2


def run(command: Sequence[str]) -> tuple[int, str]:
    """Run a program, handing on signals; its exit code and what it wrote to stdout."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def hand_on(number: int, frame: FrameType | None) -> None:
        # Ray signals the program as well; to be asked twice does no harm.
        process.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, hand_on)
    PID_FILE.write_text(str(os.getpid()))
    try:
        printed, _ = process.communicate()
    finally:
        PID_FILE.unlink(missing_ok=True)
    code = process.returncode
    return (code if code >= 0 else SIGNALLED - code), printed


def is_final(code: int, printed: str) -> bool:
    """Whether the same command would end the same way again.

    Exit code 3 is not final: on a retry the driver of the last try may still be alive and hold the
    lease.
    """
    return code in FINAL or (code == EXIT_REJECTS and _is_report(printed))


def stop(wait_s: float = STOP_WAIT_S) -> None:
    """Ask the job to end, if there is one, and wait until it has."""
    with suppress(FileNotFoundError, ProcessLookupError):
        process_id = int(PID_FILE.read_text())
        os.kill(process_id, signal.SIGTERM)
        deadline_s = time.monotonic() + wait_s
        while time.monotonic() < deadline_s:
            os.kill(process_id, 0)
            time.sleep(POLL_EVERY_S)


def main(arguments: Sequence[str]) -> int:
    """Run the job, or stop it; the exit code for Kubernetes."""
    if list(arguments) == ["--stop"]:
        stop()
        return 0
    code, printed = run([*PROGRAM, *arguments, "--output", "json"])
    final = is_final(code, printed)
    sys.stdout.write(printed)
    sys.stdout.flush()
    sys.stderr.write(f"entrypoint: exit code {code}: {'final' if final else 'to be tried again'}\n")
    return 0 if final else code


def _is_report(printed: str) -> bool:
    try:
        report = json.loads(printed)
    except ValueError:
        return False
    return isinstance(report, dict) and report.get("state") in ("done", "stopped")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
