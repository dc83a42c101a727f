import numpy as np
import pytest
import soundfile
from s3_server import credentials
from tiny_models import tiny_model
from workers import worker_spec

from latentsep.models.folder import save_model
from latentsep.pipeline.worker import SeparatorWorker


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory):
    """A folder with a tiny model of 8 kHz."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    save_model(folder, tiny_model(), "# tiny\n")
    return folder


@pytest.fixture
def make_worker(tmp_path, tiny_folder):
    """``make(starts_of=..., **settings)``: a worker of this process that writes below ``out``."""
    made = []

    def make(out=tmp_path / "out", model=tiny_folder, starts_of=None, **settings):
        spec = worker_spec(model, out, tmp_path / "work", **settings)
        made.append(SeparatorWorker(spec, *([starts_of] if starts_of else [])))
        return made[-1]

    yield make
    for worker in made:
        worker.close()


@pytest.fixture
def write_noise(tmp_path):
    """``write(name, seconds, rate_hz, channels, seed)``: a file of noise with 16 bits."""

    def write(name, seconds=1.0, rate_hz=8_000, channels=1, seed=0, **format_):
        path = tmp_path / "songs" / name
        path.parent.mkdir(exist_ok=True)
        frames = max(1, round(seconds * rate_hz))
        noise = np.random.default_rng(seed).standard_normal((frames, channels), np.float32)
        soundfile.write(path, 0.1 * noise, rate_hz, **format_)
        return path

    return write


@pytest.fixture(scope="session")
def _credentials():
    with credentials():
        yield
