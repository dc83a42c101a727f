"""Interrupts the job at random points until it is done, again and again: ``--count 100``.

Each round has an output of its own. A round ends when the job does, and then its rows and the bytes
of every stem have to be those of a run that nobody disturbed. Run by the tests with a small count,
and by hand with a large one.
"""

import argparse
import random
import signal
import subprocess
import sys
import sysconfig
import time
from collections import Counter
from hashlib import sha256
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from catalogue import result_rows, write_config, write_manifest, write_tracks

COMMAND = str(Path(sysconfig.get_path("scripts"), "latentsep"))
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
JOB_S = 300
EXIT_OF = {signal.SIGINT: 75, signal.SIGTERM: 75, signal.SIGKILL: -signal.SIGKILL}


class Chaos:
    """Rounds of one job under fire."""

    def __init__(self, folder, model, tracks, seed):
        self.folder = Path(folder)
        self.random = random.Random(seed)
        self.uris = write_tracks(self.folder / "songs", tracks)
        self.manifest = write_manifest(self.folder / "manifest.csv", self.uris)
        self.config = write_config(self.folder / "job.yaml")
        self.model = model
        self.counts = Counter()
        self.whole_s = 0.0
        began_s = time.monotonic()
        self._must_end_well(self._start("undisturbed"))
        self.whole_s = time.monotonic() - began_s
        self.expected = self._stems("undisturbed")

    def round(self, number, most):
        """Interrupt one job at most so often, let it end, and compare."""
        out = f"round-{number}"
        for _ in range(most):
            process = self._start(out)
            try:
                process.wait(self.random.uniform(0.1, self.whole_s))
            except subprocess.TimeoutExpired:
                self._interrupt(process)
            else:
                self._must_end_well(process)
                break
        self._must_end_well(self._start(out))
        self._compare(out)

    def _interrupt(self, process):
        number = self.random.choice(SIGNALS)
        began_s = time.monotonic()
        process.send_signal(number)
        _, errors = process.communicate(timeout=JOB_S)
        took_s = time.monotonic() - began_s
        # 0: the job had just ended by itself; by the signal: Python had not begun yet.
        if process.returncode not in (0, EXIT_OF[number], -number):
            raise AssertionError(f"{number.name}: exit code {process.returncode}: {errors}")
        if took_s > 20:
            raise AssertionError(f"{number.name}: the job took {took_s:.1f} s to end")
        self.counts[number.name] += 1

    def _start(self, out):
        return subprocess.Popen(
            [
                COMMAND, "separate", self.manifest, "-o", self.folder / out, "-n", self.model,
                "--config", self.config, "--threads", "1",
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip

    def _must_end_well(self, process):
        _, errors = process.communicate(timeout=JOB_S)
        if process.returncode != 0:
            raise AssertionError(f"exit code {process.returncode}: {errors}")

    def _stems(self, out):
        """Digests of the stems' bytes, read from the disk, by track and stem."""
        columns = ("vocals_stem_uri", "accompaniment_stem_uri")
        return {
            (track_id, name): sha256(Path(row[name].removeprefix("file://")).read_bytes()).digest()
            for track_id, row in result_rows(self.folder / out, *columns).items()
            for name in columns
        }

    def _compare(self, out):
        found = self._stems(out)
        lost = self.expected.keys() - found.keys()
        other = [key for key in found if found[key] != self.expected.get(key)]
        self.counts["lost"] += len(lost)
        self.counts["differing"] += len(other)
        if lost or other or len(found) != 2 * len(self.uris):
            raise AssertionError(f"{out}: lost {sorted(lost)}, differing {sorted(other)}")
        self.counts["rounds"] += 1


def run_chaos(folder, model, count, seed=0, tracks=40):
    """At least ``count`` interruptions; how many of each signal, rounds, and what went wrong."""
    chaos = Chaos(folder, model, tracks, seed)
    number = 0
    while (done := sum(chaos.counts[one.name] for one in SIGNALS)) < count:
        chaos.round(number, most=min(8, count - done))
        number += 1
    return chaos


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="default")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tracks", type=int, default=40)
    given = parser.parse_args()
    chaos = run_chaos(given.folder, given.model, given.count, given.seed, given.tracks)
    sys.stdout.write(f"undisturbed {chaos.whole_s:.1f} s; {dict(chaos.counts)}\n")


if __name__ == "__main__":
    main()
