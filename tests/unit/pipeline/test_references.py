"""A reference that cannot be used costs the scores and never the track."""

import math

import numpy as np
import psutil
import pytest
import soundfile

from latentsep.audio.limits import DecodeLimits
from latentsep.audio.source import SourceInfo
from latentsep.pipeline.references import ReferenceScorer
from latentsep.separation.stems import Stems
from latentsep.storage import StoreSettings

RATE_HZ = 8_000
FRAMES = 12_000
MIXTURE = SourceInfo("wav", "pcm_16", RATE_HZ, 1, 16, False, True, FRAMES)
NO_SCORES = dict.fromkeys(
    ("vocals_sdr_db", "vocals_si_sdr_db", "accompaniment_sdr_db", "accompaniment_si_sdr_db")
)
# On the grid of 16 bits, so that the files hold it exactly; its mean over two samples is 0.
WAVE = np.tile(np.array([0.5, -0.5], np.float32), FRAMES // 2)[None]


@pytest.fixture
def write(tmp_path):
    def write(name, wave=WAVE, rate_hz=RATE_HZ, **format_):
        soundfile.write(tmp_path / name, wave.T, rate_hz, **format_)
        return (tmp_path / name).as_uri()

    return write


def _score(tmp_path, uris, vocals=WAVE, blocks=(5_000, 1, 6_999), meanwhile=lambda: None):
    """Scores of estimates: the vocals as given, the accompaniment half of the wave."""
    mixture = vocals + WAVE / 2
    scorer = ReferenceScorer(uris, MIXTURE, StoreSettings(), tmp_path, DecodeLimits())
    start, before = 0, set(psutil.Process().children())
    with scorer:
        for frames in blocks:
            piece = slice(start, start + frames)
            scorer.add(Stems(mixture[:, piece], vocals[:, piece]))
            start += frames
        meanwhile()
        scores = scorer.scores()
    assert set(psutil.Process().children()) <= before
    return scores


@pytest.mark.parametrize("blocks", [(FRAMES,), (1, FRAMES - 1), (4_000, 8_000), (1_000,) * 12])
def test_scores_are_those_of_the_definition_however_the_track_is_cut(tmp_path, write, blocks):
    uris = {"vocals": write("v.wav"), "accompaniment": write("a.wav")}
    # The error of 0.05 is orthogonal to the wave: 10 log10(0.25 / 0.0025) = 20 dB, both ways.
    scores = _score(tmp_path, uris, WAVE + np.float32(0.05), blocks)
    assert scores["reference_error"] is None
    assert scores["vocals_sdr_db"] == pytest.approx(20.0, abs=1e-4)
    assert scores["vocals_si_sdr_db"] == pytest.approx(20.0, abs=1e-4)
    # Half of the wave: 10 log10(0.25 / 0.0625) dB; without error once the scale is fitted.
    assert scores["accompaniment_sdr_db"] == pytest.approx(6.0206, abs=1e-4)
    assert scores["accompaniment_si_sdr_db"] > 100


def test_one_reference_gives_the_scores_of_one_stem(tmp_path, write):
    scores = _score(tmp_path, {"vocals": write("v.wav")})
    assert scores == NO_SCORES | {
        "reference_error": None, "vocals_sdr_db": math.inf, "vocals_si_sdr_db": math.inf,
    }  # fmt: skip
    assert _score(tmp_path, {}) == NO_SCORES | {"reference_error": None}


def test_a_silent_reference_has_no_score_and_is_no_error(tmp_path, write):
    scores = _score(tmp_path, {"vocals": write("v.wav", 0 * WAVE)})
    assert scores == NO_SCORES | {"reference_error": None}


def _nan_at_the_end():
    wave = WAVE.copy()
    wave[0, -1] = np.nan
    return wave


@pytest.mark.parametrize(
    ("wave", "rate_hz", "words"),
    [
        (WAVE[:, :-1], RATE_HZ, "is shorter than its mixture"),
        (WAVE[:, :5_000], RATE_HZ, "is shorter than its mixture"),
        (np.append(WAVE, [[0.5]], axis=1), RATE_HZ, "is longer than its mixture"),
        (np.tile(WAVE, 20), RATE_HZ, "is longer than its mixture"),
        (WAVE, 16_000, "1 channels at 16000 Hz, its mixture 1 at 8000 Hz"),
        (np.tile(WAVE, (2, 1)), RATE_HZ, "2 channels at 8000 Hz, its mixture 1 at 8000 Hz"),
        (_nan_at_the_end(), RATE_HZ, "NaN or infinite at frame 11999"),
    ],
)
def test_a_reference_that_does_not_fit_is_told(tmp_path, write, wave, rate_hz, words):
    uris = {
        "vocals": write("v.wav"),
        "accompaniment": write("a.wav", wave, rate_hz, subtype="FLOAT"),
    }
    scores = _score(tmp_path, uris)
    assert words in scores.pop("reference_error")
    assert scores == NO_SCORES


@pytest.mark.parametrize(
    ("name", "words"),
    [("gone.wav", "gone.wav: No such file"), ("text.wav", "text.wav"), ("empty.wav", "(0 bytes)")],
)
def test_a_reference_that_cannot_be_read_is_told(tmp_path, write, name, words):
    (tmp_path / "text.wav").write_text("no audio" * 1_000)
    (tmp_path / "empty.wav").touch()
    uris = {"vocals": (tmp_path / name).as_uri(), "accompaniment": write("a.wav")}
    scores = _score(tmp_path, uris)
    assert words in scores.pop("reference_error")
    assert scores == NO_SCORES


def test_a_reference_of_an_unknown_scheme_is_told(tmp_path):
    assert "ftp" in _score(tmp_path, {"vocals": "ftp://host/v.wav"})["reference_error"]


@pytest.mark.parametrize("is_removed", [True, False])
def test_a_reference_that_goes_or_changes_meanwhile_is_told(tmp_path, write, is_removed):
    uris = {"vocals": write("v.wav"), "accompaniment": write("a.wav")}

    def meanwhile():
        (tmp_path / "v.wav").unlink()
        if not is_removed:
            write("v.wav", 0 * WAVE)

    scores = _score(tmp_path, uris, meanwhile=meanwhile)
    assert ("No such file" if is_removed else "was replaced") in scores.pop("reference_error")
    assert scores == NO_SCORES


def test_a_track_that_fails_for_another_reason_keeps_that_reason(tmp_path, write):
    scorer = ReferenceScorer(
        {"vocals": write("v.wav")}, MIXTURE, StoreSettings(), tmp_path, DecodeLimits()
    )
    with pytest.raises(KeyError):
        _remove_and_fail(scorer, tmp_path / "v.wav")


def _remove_and_fail(scorer, reference):
    with scorer:
        reference.unlink()
        raise KeyError
