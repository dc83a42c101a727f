import subprocess
import tempfile

import numpy as np
import pytest
import soundfile
from catalogue import write_tracks
from held_source import HeldSource
from radosgw import RadosGateway
from s3_server import credentials
from tiny_models import tiny_model

from latentsep.models.folder import save_model

MODEL_RATE_HZ = 44_100


def _saved(folder, rate_hz):
    codec = {"sample_rate_hz": rate_hz, "hop_samples": 1024, "mid_bins": 32, "side_bins": 16}
    changes = {
        "codec": {"name": "mdct", "options": codec},
        "chunk": {"frames": 256, "context_frames": 108},
        "level_radius_frames": 48,
        "refinement": {"window_samples": 4096},
    }
    save_model(folder, tiny_model(**changes), "# tiny\n")
    return folder


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """A folder with a model of 44.1 kHz that knows nothing."""
    return _saved(tmp_path_factory.mktemp("models") / "tiny", MODEL_RATE_HZ)


@pytest.fixture(scope="session")
def model_8khz(tmp_path_factory):
    """The same at 8 kHz, five times as fast."""
    return _saved(tmp_path_factory.mktemp("models") / "tiny8k", 8_000)


@pytest.fixture
def write_song(tmp_path):
    """Writes noise with a slow swell, 16 bits, to a path below ``tmp_path``."""

    def write(name, seconds=0.5, rate_hz=44_100, channels=2, seed=0):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        frames = round(seconds * rate_hz)
        noise = np.random.default_rng(seed).standard_normal((frames, channels), np.float32)
        swell = 0.05 + 0.1 * np.sin(np.arange(frames, dtype=np.float32) / rate_hz)[:, None] ** 2
        # The format is given since the ending of some names tells nothing.
        soundfile.write(path, noise * swell, rate_hz, format=path.suffix[1:].upper())
        return path

    return write


@pytest.fixture
def held(tmp_path):
    """A source that does not come before ``held.release()``."""
    (song,) = write_tracks(tmp_path / "held", 1).values()
    with credentials(), HeldSource(song.read_bytes()) as source:
        yield source


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MiB. Needs the right to mount: root, or a container that grants it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.fail(f"a full disk cannot be tried without mounting a small one: {done.stderr}")
    yield folder
    # Lazily: processes that end on their own after a job may still have files open there.
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(scope="session")
def radosgw():
    """One real S3 server for all tests of a run; starts in about 15 s.

    Its folder is not pytest's, which keeps the last three: a socket's path has at most 107 bytes.
    """
    with (
        tempfile.TemporaryDirectory(prefix="radosgw-") as folder,
        credentials(),
        RadosGateway(folder) as gateway,
    ):
        yield gateway
