"""The sandbox for untrusted files: ``python -m latentsep.audio.decode_child LIMITS_JSON``.

Serves requests one after another over its stdin and stdout (see ``wire``). For each it answers with
an ``info`` record, then ``block`` records of float32 ``[channel, sample]``, then ``end`` with the
frame count; or, at any point, with one ``error`` record. Imports neither torch nor Ray, and FFmpeg
only when a file needs it, so that a child starts in a fraction of a second.
"""

import os
import resource
import signal
import stat
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np

from latentsep.audio.containers import check_complete
from latentsep.audio.limits import DecodeLimits
from latentsep.audio.sndfile_source import NotForLibsndfileError, SndfileSource
from latentsep.audio.source import SourceInfo
from latentsep.audio.waveform import Waveform
from latentsep.audio.wire import pack_header, read_header
from latentsep.errors import AudioDecodeError, NonFiniteAudioError, TrackError

# The child writes nothing but its error log; this bounds that too.
MAX_FILE_BYTES = 1024 * 1024
ORPHAN_GRACE_S = 60


class BlockSource(Protocol):
    """An opened file that hands out its samples in order."""

    info: SourceInfo

    def read(self, max_frames: int) -> Waveform:
        """Next block ``[channel, sample]`` float32; empty at the end."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


def main() -> None:
    """Serve requests until stdin ends."""
    limits = DecodeLimits.from_json(sys.argv[1])
    requests, replies = _take_over_pipes()
    _enter_sandbox(limits)
    try:
        while (request := read_header(requests)) is not None:
            if not serve(request, limits, replies):
                return
    except BrokenPipeError:
        # The parent closed the pipe or died; nobody is left to tell. Skips the flush at exit.
        os._exit(0)


def serve(request: dict[str, Any], limits: DecodeLimits, replies: BinaryIO) -> bool:
    """Answer one request; False when this process should not be trusted with another."""
    try:
        with_blocks(Path(request["path"]), limits, replies, probe=request["probe"])
    except TrackError as error:
        _reply(replies, {"record": "error", "kind": type(error).__name__, "message": str(error)})
    except MemoryError:
        message = f"decoding needs more memory than the {limits.memory_bytes} bytes allowed"
        _reply(replies, {"record": "error", "kind": "MemoryError", "message": message})
        return False
    return True


def with_blocks(path: Path, limits: DecodeLimits, replies: BinaryIO, *, probe: bool) -> None:
    """Decode one file into records.

    Raises:
        AudioDecodeError: the file cannot be opened or decoded in full.
        NonFiniteAudioError: a sample is NaN or infinite.
    """
    source = open_source(path, limits)
    try:
        _reply(replies, {"record": "info", "info": asdict(source.info)})
        frames = 0
        while not probe and (block := source.read(limits.block_frames)).shape[1] > 0:
            for start in range(0, block.shape[1], limits.block_frames):
                part = block[:, start : start + limits.block_frames]
                check_finite(part, frames)
                _reply(replies, {"record": "block", "frames": part.shape[1]}, part)
                frames += part.shape[1]
        _reply(replies, {"record": "end", "frames": frames})
    finally:
        source.close()


def open_source(path: Path, limits: DecodeLimits) -> BlockSource:
    """Open a file with the library that reads it faithfully.

    Raises:
        AudioDecodeError: there is no such file, it may not be read, or it is not complete audio.
    """
    _check_readable(path)
    try:
        source: BlockSource = SndfileSource(path, limits)
    except NotForLibsndfileError as verdict:
        # Imported here because it costs start-up time and most catalogues never need it.
        from latentsep.audio.pyav_source import PyavSource

        source = PyavSource(path, limits, verdict.demuxer)
    if source.info.frames == 0:
        raise AudioDecodeError("the file holds 0 audio frames")
    return source


def check_finite(block: Waveform, first_frame: int) -> None:
    """Refuse a block ``[channel, sample]`` with a NaN or an infinity.

    Raises:
        NonFiniteAudioError: names the first bad frame, counted from the start of the track.
    """
    finite = np.isfinite(block).all(axis=0)
    if not finite.all():
        frame = first_frame + int(np.argmin(finite))
        raise NonFiniteAudioError(
            f"sample is NaN or infinite at frame {frame}; repair the file first"
        )


def _check_readable(path: Path) -> None:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise AudioDecodeError("is a directory, not a file")
        if not stat.S_ISREG(status.st_mode):
            raise AudioDecodeError("is a device, pipe or socket, not a regular file")
        if status.st_size == 0:
            raise AudioDecodeError("the file is empty (0 bytes)")
        with path.open("rb") as file:
            check_complete(file, status.st_size)
    except FileNotFoundError as error:
        raise AudioDecodeError("no such file") from error
    except PermissionError as error:
        raise AudioDecodeError("permission denied; the file may not be read") from error
    except (OSError, ValueError) as error:
        raise AudioDecodeError(f"cannot be read: {error}") from error


def _reply(replies: BinaryIO, header: dict[str, Any], block: Waveform | None = None) -> None:
    replies.write(pack_header(header))
    if block is not None:
        replies.write(np.ascontiguousarray(block).data.cast("B"))
    replies.flush()


def _take_over_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Move the pipes away from fd 0 and 1, where a chatty library could disturb the records."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(2, 1)
    os.close(null)
    return requests, replies


def _enter_sandbox(limits: DecodeLimits) -> None:
    # Ctrl-C is for the parent to handle.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for kind, value in (
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, MAX_FILE_BYTES),
    ):
        resource.setrlimit(kind, (value, value))
    threading.Thread(target=_die_with_parent, args=(os.getppid(),), daemon=True).start()


def _die_with_parent(parent_pid: int) -> None:
    """Leave when the parent is gone, even while a codec library is stuck.

    PR_SET_PDEATHSIG would also fire when only the parent's thread that started us ends. The alarm,
    whose default is to kill, covers a library that hangs with the interpreter lock held.
    """
    while os.getppid() == parent_pid:
        signal.alarm(ORPHAN_GRACE_S)
        time.sleep(1)
    os._exit(0)


if __name__ == "__main__":
    main()
