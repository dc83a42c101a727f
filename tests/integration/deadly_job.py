"""A job with a worker that some tracks kill: ``python deadly_job.py MANIFEST OUT CONFIG``.

Tracks named ``kills-...`` end it by a bad address each time, tracks named ``once-...`` by an exit
the first time. The file ``deaths`` in the work folder gets a line for each. Prints the state in
which the job ended.
"""

import ctypes
import os
import sys
from pathlib import Path

from latentsep.pipeline.catalogue_track import CatalogueTracks
from latentsep.pipeline.engine import RayEngine
from latentsep.pipeline.job import JobRequest, run_job
from latentsep.pipeline.job_config import read_job_config
from latentsep.pipeline.stop import StopRequest
from latentsep.pipeline.worker import SeparatorWorker


class DeadlyWorker(SeparatorWorker):
    """Dies in the middle of some tracks, as by a fault in native code."""

    def __init__(self, spec, *arguments, **settings):
        super().__init__(spec, *arguments, **settings)
        self._tracks.__class__ = DeadlyTracks
        self._tracks.deaths = spec.config.workers.work_folder / "deaths"
        self._tracks.starts = self._starts


class DeadlyTracks(CatalogueTracks):
    def separate(self, track):
        kind = track.track_id.partition("-")[0]
        if kind == "kills":
            self._note(track)
            ctypes.string_at(0)
        if kind == "once" and track.track_id not in self._deaths_so_far():
            self._note(track)
            os._exit(1)
        return super().separate(track)

    def _deaths_so_far(self):
        return self.deaths.read_text().splitlines() if self.deaths.exists() else []

    def _note(self, track):
        # Nobody waits for a start to be counted; one that was not is no start.
        self.starts.counts([track.track_id])
        with self.deaths.open("a") as file:
            file.write(f"{track.track_id}\n")


def main():
    manifest, out, config = sys.argv[1:]
    request = JobRequest(manifest, out, read_job_config(Path(config)))
    engine = RayEngine(None, request.config.workers, DeadlyWorker)
    report = run_job(request, StopRequest(), lambda progress: None, engine)
    sys.stdout.write(report.state)


if __name__ == "__main__":
    main()
