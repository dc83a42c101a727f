"""A long file takes no more memory than a short one."""

import pytest
import soundfile
from command_line import run_json

pytestmark = pytest.mark.integration
RATE_HZ = 8_000


@pytest.mark.slow
def test_memory_does_not_grow_with_length(model_8khz, write_song, tmp_path):
    minutes = {"short": 2, "long": 22}
    minute = soundfile.read(write_song("minute.wav", 60.0, RATE_HZ), dtype="int16")[0]
    peaks = {}
    for name, count in minutes.items():
        path = tmp_path / f"{name}.wav"
        with soundfile.SoundFile(path, "w", RATE_HZ, 2, "PCM_16") as file:
            for _ in range(count):
                file.write(minute)
        summary = run_json(path, "-n", model_8khz, "-o", tmp_path / "out", "--threads", 1)
        assert summary["tracks"][0]["frames"] == count * 60 * RATE_HZ
        peaks[name] = summary["peak_rss_bytes"]
    # Held as float32, the difference in length alone is 77 MB.
    assert peaks["long"] - peaks["short"] < 32e6
    assert peaks["long"] < 3 * 1024**3
