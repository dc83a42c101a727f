"""Runs the installed command as a user does, and reads its files with other programs than ours."""

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import numpy as np
import pytest

STEMS = ("vocals", "accompaniment")
LONGEST_S = 300
"""Whatever a test waits for takes seconds; so long only where it never comes."""
SCRIPT = str(Path(sysconfig.get_path("scripts"), "latentsep"))
# Root may open everything by the capabilities DAC_OVERRIDE (1) and DAC_READ_SEARCH (2): give them
# up (PR_CAPBSET_DROP is 24), which exec makes final. Other users have none to lose.
UNPRIVILEGED = """
import ctypes, os, sys
for capability in (1, 2):
    ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


def start(*arguments, privileged=True, **settings):
    """Start ``latentsep`` with these arguments on one thread."""
    command = [SCRIPT, *map(str, arguments)]
    if not privileged:
        command = [sys.executable, "-c", UNPRIVILEGED, sys.executable, *command]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        # A test run in the background inherits an ignored SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        **settings,
    )


def run(*arguments, timeout_s=LONGEST_S, **settings):
    """Run ``latentsep`` to its end: ``(exit code, stdout, stderr)``."""
    with start(*arguments, **settings) as process:
        try:
            told, errors = process.communicate(timeout=timeout_s)
        except BaseException:
            process.kill()  # or it is waited for without end
            raise
    return process.returncode, told, errors


def run_json(*arguments, **settings):
    """Run ``latentsep separate --output json``; everything must go well."""
    code, told, errors = run("separate", *arguments, "--output", "json", **settings)
    assert (code, errors) == (0, ""), errors or told
    return json.loads(told)


def need(program):
    """Path of a program; the test fails where it is missing."""
    path = shutil.which(program)
    if path is None:
        pytest.fail(
            f"{program} is missing: what we write is read with independent programs; "
            "`make system-packages` installs it"
        )
    return path


def pcm_of(path):
    """``[channel, sample]`` int64, rate in Hz and bits of a flac or wav file, by flac or sox."""
    header = [need("soxi"), "-V1"]
    fields = {
        flag: subprocess.run([*header, flag, path], capture_output=True, text=True, check=True)
        for flag in ("-r", "-c", "-b")
    }
    rate_hz, channels, bits = (int(done.stdout) for done in fields.values())
    if path.suffix == ".flac":
        command = [need("flac"), "--silent", "--decode", "--stdout", "--force-raw-format"]
        command += ["--endian=little", "--sign=signed", "--", path]
        raw, sample_bytes, shift = _output(command), bits // 8, 0
    else:
        # Without dither, and aligned to the upper bits.
        command = [need("sox"), "-V1", "-D", path, "-t", "raw", "-e", "signed", "-b", "32", "-"]
        raw, sample_bytes, shift = _output(command), 4, 32 - bits
    samples = np.frombuffer(raw, np.uint8).reshape(-1, sample_bytes)
    wide = np.zeros((len(samples), 4), np.uint8)
    wide[:, 4 - sample_bytes :] = samples
    integers = wide.view("<i4")[:, 0].astype(np.int64) >> (8 * (4 - sample_bytes) + shift)
    return integers.reshape(-1, channels).T, rate_hz, bits


def files_in(folder):
    """Every file below a folder, hidden ones too, as text relative to it."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir())


def stem_files(*tracks, ext="flac"):
    """What ``files_in`` must say of these tracks."""
    return sorted(f"{track}/{stem}.{ext}" for track in tracks for stem in STEMS)


def wait_until(condition, process=None):
    """Poll until the condition holds; in vain once the process has ended, if one is given."""
    deadline_s = time.monotonic() + LONGEST_S
    while not condition():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < deadline_s, "condition did not come true in time"
        time.sleep(0.02)


def _output(command):
    return subprocess.run(command, capture_output=True, check=True).stdout
