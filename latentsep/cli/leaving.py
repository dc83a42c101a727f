"""How the process ends."""

import os
import sys
from typing import NoReturn


def leave(exit_code: int) -> NoReturn:
    """End with an exit code; at once if a job left Ray behind, see ``is_leaving`` of its cluster.

    The rites of an interpreter's end would shut Ray down under threads that still use it: seen were
    long waits, traces on stderr, SIGSEGV and SIGABRT. All is committed and said by now.
    """
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(exit_code)
    sys.exit(exit_code)
