"""Checks of this machine: what a job needs to run well, and how to get what is missing."""

import os
import platform
import resource
import shutil
import tempfile
import wave
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from latentsep.errors import LatentsepError

GIB = 1024**3
MIB = 1024**2
SUPPORTED = {
    "python": ">=3.11,<3.14",
    "ray": ">=2.60,<2.64",
    "torch": ">=2.11",
    "pyarrow": ">=17",
}
"""As pyproject.toml has it; a test compares the two."""
LEAST_FREE_BYTES = 1 * GIB
GOOD_FREE_BYTES = 10 * GIB
GOOD_SHM_BYTES = 128 * MIB
"""The object store of the job's own small cluster."""
GOOD_FILE_LIMIT = 4096
SHM = Path("/dev/shm")
TONE_RATE_HZ, TONE_FRAMES = 8_000, 800

State = Literal["ok", "warning", "failed"]


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: what it is about.
        state: ok; warning: a job runs, but badly or not everywhere; failed: it does not.
        what: what was found.
        fix: what to do about it; empty if nothing.
    """

    name: str
    state: State
    what: str
    fix: str = ""


def machine_checks(model: str = "default") -> list[Check]:
    """Versions, processors, memory, disk, decoder and model of this machine."""
    folder = Path(tempfile.gettempdir())
    return [
        *check_versions(),
        check_cpus(),
        check_gpu(),
        check_free_disk(folder),
        check_shared_memory(SHM),
        check_file_limit(resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
        check_decoder(),
        check_model(model),
    ]


def check_versions() -> list[Check]:
    """Python and the packages whose versions matter most."""
    found = {"python": platform.python_version()}
    for name in SUPPORTED.keys() - {"python"}:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return [check_version(name, found.get(name)) for name in SUPPORTED]


def check_version(name: str, found: str | None) -> Check:
    """Whether a version lies in the supported range; None: it is not installed."""
    from packaging.specifiers import SpecifierSet

    wanted = SUPPORTED[name]
    fix = (
        f"use Python {wanted}"
        if name == "python"
        else f"pip install '{name}{wanted}', on all machines of a cluster"
    )
    if found is None:
        return Check(name, "failed", f"is not installed, needed is {wanted}", fix)
    # Local parts such as +cu128 and releases ahead of their time count as what they are.
    if not SpecifierSet(wanted).contains(found, prereleases=True):
        return Check(name, "failed", f"{found}, supported is {wanted}", fix)
    return Check(name, "ok", found)


def check_cpus() -> Check:
    """CPUs that this process may use."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if count == 1:
        return Check(
            "cpus", "warning", "1", "give the process 2 CPUs or more: decoding and the network wait"
        )
    return Check("cpus", "ok", str(count))


def check_gpu() -> Check:
    """CUDA devices that torch can use, and their memory."""
    import torch

    if not torch.cuda.is_available():
        if Path("/dev/nvidiactl").exists():
            return Check(
                "gpu", "warning", "there is an NVIDIA device, but torch cannot use it",
                f"install a torch build for CUDA that fits the driver; this one is "
                f"{torch.__version__}",
            )  # fmt: skip
        return Check("gpu", "ok", "no CUDA device; separation runs on the CPUs")
    try:
        devices = [_gpu_text(number) for number in range(torch.cuda.device_count())]
    except RuntimeError as error:
        return Check(
            "gpu", "failed", f"CUDA does not work: {_first_line(error)}",
            "look at nvidia-smi; restart the driver, or run with CUDA_VISIBLE_DEVICES= for the CPU",
        )  # fmt: skip
    return Check("gpu", "ok", "; ".join(devices))


def _gpu_text(number: int) -> str:
    import torch

    torch.zeros(1, device=f"cuda:{number}").add_(1).cpu()
    free_bytes, total_bytes = torch.cuda.mem_get_info(number)
    name = torch.cuda.get_device_name(number)
    return f"{name}, {free_bytes / GIB:.1f} of {total_bytes / GIB:.1f} GiB free"


def check_free_disk(folder: Path) -> Check:
    """Room for sources and stems on their way."""
    name = "disk"
    try:
        free_bytes = shutil.disk_usage(folder).free
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        return Check(
            name, "failed", f"{folder}: {error.strerror}", "set TMPDIR to a folder you may write to"
        )
    what = f"{free_bytes / GIB:.1f} GiB free in {folder}"
    fix = "free space there, or set TMPDIR (separate: workers.work_folder) to a larger disk"
    if free_bytes < LEAST_FREE_BYTES:
        return Check(name, "failed", what, fix)
    if free_bytes < GOOD_FREE_BYTES:
        return Check(name, "warning", what, fix)
    return Check(name, "ok", what)


def check_shared_memory(folder: Path) -> Check:
    """Room for Ray's object store."""
    name = "shared memory"
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return Check(name, "ok", f"no {folder} on this system")
    what = f"{usage.free / MIB:.0f} of {usage.total / MIB:.0f} MiB free in {folder}"
    if usage.free < GOOD_SHM_BYTES:
        return Check(
            name, "warning", what,
            "containers: docker run --shm-size=1g, Kubernetes: an emptyDir of medium Memory at "
            "/dev/shm; Ray is slower without",
        )  # fmt: skip
    return Check(name, "ok", what)


def check_file_limit(soft_limit: int) -> Check:
    """Files and connections that one process may hold open."""
    if soft_limit in (resource.RLIM_INFINITY, -1):
        return Check("open files", "ok", "no limit")
    if soft_limit < GOOD_FILE_LIMIT:
        return Check(
            "open files", "warning", f"limit is {soft_limit}, good is {GOOD_FILE_LIMIT} or more",
            "ulimit -n 65536 before starting Ray",
        )  # fmt: skip
    return Check("open files", "ok", f"limit is {soft_limit}")


def check_decoder() -> Check:
    """A decoder child starts and reads a small generated file."""
    from latentsep.audio.decode import read_audio

    name = "decoder"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "silence.wav")
        try:
            _write_silence(path)
            waveform, _ = read_audio(path)
        except (LatentsepError, OSError) as error:
            return Check(
                name, "failed", str(error),
                "reinstall av, soundfile and soxr; check the limits on memory and processes",
            )  # fmt: skip
    if waveform.shape != (1, TONE_FRAMES):
        return Check(
            name, "failed", f"gave {waveform.shape}, expected (1, {TONE_FRAMES})",
            "reinstall soundfile",
        )  # fmt: skip
    return Check(name, "ok", "a child process starts and decodes")


def check_model(name_or_folder: str) -> Check:
    """The model loads and its weights are whole."""
    from latentsep.models.folder import load_model

    try:
        model = load_model(name_or_folder)
    except LatentsepError as error:
        return Check(
            "model", "failed", str(error), "install the package again, or fetch the model again"
        )
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return Check("model", "ok", f"{name_or_folder}, {parameters:,} parameters")


def guarded(name: str, check: Callable[[], Check], fix: str) -> Check:
    """A check whose own error is the finding."""
    try:
        return check()
    except LatentsepError as error:
        return Check(name, "failed", str(error), fix)


def _write_silence(path: Path) -> None:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, TONE_RATE_HZ, 0, "NONE", "NONE"))
        file.writeframes(bytes(2 * TONE_FRAMES))


def _first_line(error: Exception) -> str:
    text = str(error)
    return text.splitlines()[0] if text else type(error).__name__
