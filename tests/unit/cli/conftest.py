import pytest
import soundfile
from tiny_models import noise_waveform, tiny_model

from latentsep.cli.main import main
from latentsep.models.folder import save_model


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory):
    """A tiny model on disk."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    save_model(folder, tiny_model(), "# tiny\n")
    return folder


@pytest.fixture
def song(tmp_path):
    """Half a second of noise, 8 kHz stereo."""
    path = tmp_path / "song.wav"
    soundfile.write(path, noise_waveform(0, 4_000).T, 8_000)
    return path


@pytest.fixture
def run(capsys):
    """Runs the command line in this process: ``(exit code, stdout, stderr)``."""

    def run(*arguments):
        code = 0
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = stop.code or 0
        return code, *capsys.readouterr()

    return run
