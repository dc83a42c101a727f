"""The parent's end of one decoder child: start, ask, wait with a limit, kill."""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Any

import latentsep
from latentsep.audio.limits import DecodeLimits
from latentsep.audio.wire import LENGTH, header_bytes, pack_header
from latentsep.errors import DecoderCrashedError, DecoderTimeoutError

# The child handles untrusted files, so it gets no credentials: only what Python needs to start.
PASSED_ENVIRONMENT = frozenset(
    {
        "PATH",
        "HOME",
        "LANG",
        "LC_ALL",
        "LC_CTYPE",
        "LD_LIBRARY_PATH",
        "PYTHONHOME",
        "PYTHONPATH",
        "TZ",
    }
)
LOG_TAIL_BYTES = 600


class ChildProcess:
    """One running decoder child. Not thread-safe."""

    def __init__(self, limits: DecodeLimits) -> None:
        self._limits = limits
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-X",
                "faulthandler",
                "-m",
                "latentsep.audio.decode_child",
                limits.to_json(),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=_child_environment(),
            bufsize=0,
            # Its own session: Ctrl-C and Ctrl-Z on a terminal are for the parent.
            start_new_session=True,
        )
        self._source_name = "<no source>"
        self._waited_s = 0.0
        self.requests_sent = 0

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def ask(self, source_name: str, **request: Any) -> None:  # noqa: ANN401 - JSON values
        """Send a request about one source; its name goes into all errors until the next.

        Raises:
            DecoderCrashedError: the child is gone.
        """
        self._source_name, self._waited_s = source_name, 0.0
        self.requests_sent += 1
        try:
            os.write(self._stdin_fd, pack_header(request))
        except BrokenPipeError as error:
            raise self._crashed() from error

    def record(self) -> dict[str, Any]:
        """Header of the child's next record.

        Raises:
            DecoderCrashedError: the child died, or what it sent is not a record.
            DecoderTimeoutError: it sent nothing within the limits; it is killed.
        """
        try:
            body = self._receive(header_bytes(self._receive(LENGTH.size)))
            header = json.loads(body)
        except ValueError as error:
            raise self.nonsense(str(error)) from error
        if not isinstance(header, dict):
            raise self.nonsense(repr(header)[:80])
        return header

    def fill(self, target: memoryview) -> None:
        """Receive exactly as many bytes as ``target`` takes.

        Raises:
            DecoderCrashedError: the child died.
            DecoderTimeoutError: it sent nothing within the limits; it is killed.
        """
        while len(target) > 0:
            self._wait_readable()
            count = os.readv(self._stdout_fd, [target])
            if count == 0:
                raise self._crashed()
            target = target[count:]

    def nonsense(self, what: str) -> DecoderCrashedError:
        """Error for a child that answers out of protocol; it is killed."""
        self.kill()
        return DecoderCrashedError(
            f"{self._source_name}: the decoder child answered nonsense: {what}"
        )

    def kill(self) -> None:
        """End the process and free its pipes; harmless when done already."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._log.close()

    @property
    def _stdin_fd(self) -> int:
        return _fd(self._process.stdin)

    @property
    def _stdout_fd(self) -> int:
        return _fd(self._process.stdout)

    def _receive(self, count: int) -> bytes:
        buffer = bytearray(count)
        self.fill(memoryview(buffer))
        return bytes(buffer)

    def _wait_readable(self) -> None:
        limit_s = self._limits.no_progress_timeout_s
        if self._limits.total_timeout_s is not None:
            limit_s = min(limit_s, max(self._limits.total_timeout_s - self._waited_s, 0.0))
        poll = select.poll()
        poll.register(self._stdout_fd, select.POLLIN)
        started_s = time.monotonic()
        ready = poll.poll(limit_s * 1000)
        self._waited_s += time.monotonic() - started_s
        if not ready:
            self.kill()
            raise DecoderTimeoutError(
                f"{self._source_name}: the decoder hangs, killed after {self._waited_s:.1f} s of "
                f"waiting (limits: {self._limits.no_progress_timeout_s} s without a byte, "
                f"{self._limits.total_timeout_s} s in total)"
            )

    def _crashed(self) -> DecoderCrashedError:
        # EOF can be seen just before the process may be waited for; if it lives on, it is killed.
        try:
            code = self._process.wait(timeout=5)
            how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        except (subprocess.TimeoutExpired, ValueError):
            how = "its pipe closed"
        tail = self._log_tail()
        self.kill()
        return DecoderCrashedError(
            f"{self._source_name}: the decoder child died ({how}); the file is damaged or hostile, "
            f"or memory ran out{tail}"
        )

    def _log_tail(self) -> str:
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(size - LOG_TAIL_BYTES, 0))
        text = self._log.read().decode(errors="replace").strip()
        return f"; its last words: {text}" if text else ""


def _fd(pipe: IO[bytes] | None) -> int:
    if pipe is None:
        raise TypeError("the decoder child was started without a pipe")
    return pipe.fileno()


def _child_environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in PASSED_ENVIRONMENT & os.environ.keys()}
    package_root = str(Path(latentsep.__file__).resolve().parents[1])
    paths = [package_root, kept["PYTHONPATH"]] if "PYTHONPATH" in kept else [package_root]
    # Threads and malloc arenas cost address space, which is limited.
    lean = {"OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2", "PYTHONDONTWRITEBYTECODE": "1"}
    return {**kept, **lean, "PYTHONPATH": os.pathsep.join(paths)}
