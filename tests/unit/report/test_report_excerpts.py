import io

import numpy as np
import pytest
import soundfile
from report_outputs import RATE_HZ, SETTINGS, new_output, tone, write_sound

from latentsep.catalogue.track_ids import stem_key
from latentsep.report.excerpt_audio import EXCERPT_S
from latentsep.report.excerpts import MOST_AUDIO_BYTES, ExcerptReader, TrackSound

NAMES = ["mixture", "vocals", "accompaniment"]


@pytest.fixture
def store(tmp_path):
    return new_output(tmp_path).store


@pytest.fixture
def reader(store):
    return ExcerptReader(store, SETTINGS)


@pytest.fixture
def sound_of(tmp_path, store):
    """``sound_of(mixture=..., vocals=..., accompaniment=...)``: a track whose files hold these."""

    def write(rate_hz=RATE_HZ, suffix="flac", **signals):
        uris = {}
        for name in NAMES:
            if name in signals:
                key = stem_key("song", "1", name, suffix)
                write_sound(tmp_path / "out" / key, signals[name], rate_hz)
                uris[name] = store.uri_of(key)
        return TrackSound("song", "1", *(uris.get(name) for name in NAMES))

    return write


def excerpt_of(reader, track):
    (excerpt,) = reader.read([track], longest_s=600)
    return excerpt


def decoded(view):
    return soundfile.read(io.BytesIO(view.audio), always_2d=True)


def song(loud_from_s, seconds=20.0):
    """Vocals that are loud for 6 s, in a mixture that is not."""
    vocals = tone(seconds, 660.0, level=0.02)
    loud = slice(round(loud_from_s * RATE_HZ), round((loud_from_s + EXCERPT_S) * RATE_HZ))
    vocals[loud] *= 20
    accompaniment = tone(seconds, 220.0)
    return {
        "mixture": vocals + accompaniment, "vocals": vocals, "accompaniment": accompaniment,
    }  # fmt: skip


def test_it_lies_around_the_loudest_vocals_in_all_three_signals(reader, sound_of):
    excerpt = excerpt_of(reader, sound_of(**song(loud_from_s=9.0)))
    assert (excerpt.start_s, excerpt.length_s, excerpt.problems) == (9.0, EXCERPT_S, ())
    assert [view.name for view in excerpt.stems] == NAMES
    mixture, vocals, accompaniment = (decoded(view)[0][:, 0] for view in excerpt.stems)
    assert len(mixture) == len(vocals) == round(EXCERPT_S * RATE_HZ)
    assert np.abs(vocals).mean() == pytest.approx(0.4 * 2 / np.pi, rel=0.1)
    assert np.abs(mixture - vocals - accompaniment).mean() < 0.05


def test_a_short_track_is_there_in_full(reader, sound_of):
    excerpt = excerpt_of(reader, sound_of(**song(loud_from_s=0.0, seconds=1.3)))
    assert (excerpt.start_s, excerpt.length_s) == (0.0, 1.3)


def test_a_silent_track_has_an_excerpt(reader, sound_of):
    silence = np.zeros(10 * RATE_HZ)
    excerpt = excerpt_of(reader, sound_of(**dict.fromkeys(NAMES, silence)))
    assert (excerpt.start_s, excerpt.length_s, len(excerpt.stems)) == (0.0, EXCERPT_S, 3)


def test_only_the_beginning_of_a_very_long_track_is_searched(reader, sound_of):
    vocals = np.concatenate([tone(200, level=0.01), tone(100, level=0.9)])
    excerpt = excerpt_of(reader, sound_of(**dict.fromkeys(NAMES, vocals)))
    assert excerpt.start_s + excerpt.length_s <= 180


@pytest.mark.parametrize(("rate_hz", "file_rate_hz"), [(96_000, 48_000), (88_200, 44_100)])
def test_loud_noise_of_many_channels_and_a_high_rate_stays_small(
    reader, sound_of, rate_hz, file_rate_hz
):
    noise = np.random.default_rng(0).uniform(-1, 1, (6 * rate_hz, 6))
    excerpt = excerpt_of(reader, sound_of(rate_hz, "wav", **dict.fromkeys(NAMES, noise)))
    assert all(0 < len(view.audio) <= MOST_AUDIO_BYTES for view in excerpt.stems)
    sound, found_hz = decoded(excerpt.stems[0])
    assert (found_hz, sound.shape[1]) == (file_rate_hz, 1)


def test_fifteen_tracks_of_stereo_noise_fit_the_page(reader, sound_of):
    noise = np.random.default_rng(0).uniform(-1, 1, (6 * 48_000, 2))
    excerpt = excerpt_of(reader, sound_of(48_000, **dict.fromkeys(NAMES, noise)))
    size = sum(len(view.audio) for view in excerpt.stems)
    assert 15 * size * 4 / 3 < 8e6
    assert all(view.audio for view in excerpt.stems)


def test_a_signal_that_is_missing_or_damaged_is_a_line_and_the_others_are_there(
    tmp_path, reader, sound_of
):
    track = sound_of(**song(loud_from_s=2.0))
    (tmp_path / "out" / stem_key("song", "1", "vocals", "flac")).unlink()
    damaged = tmp_path / "out" / stem_key("song", "1", "accompaniment", "flac")
    damaged.write_bytes(b"no audio at all")
    excerpt = excerpt_of(reader, track)
    assert [view.name for view in excerpt.stems] == ["mixture"]
    vocals, accompaniment = excerpt.problems
    assert vocals.startswith("vocals: ")
    assert "vocals.flac" in vocals
    assert accompaniment.startswith("accompaniment: ")


def test_a_row_that_does_not_say_where_its_sound_lies_is_told(reader):
    excerpt = excerpt_of(reader, TrackSound("song", None, None, None, None))
    assert excerpt.stems == ()
    assert len(excerpt.problems) == 3
    assert "does not say where it lies" in excerpt.problems[0]


@pytest.mark.parametrize("uri", ["gopher://x/y", "s3://", "", "/no/such.flac", "/proc/self"])
def test_a_source_that_cannot_be_had_is_a_line(reader, sound_of, uri):
    stems = sound_of(vocals=tone(1.0), accompaniment=tone(1.0))
    track = TrackSound("song", "1", uri, stems.vocals, stems.accompaniment)
    excerpt = excerpt_of(reader, track)
    assert [view.name for view in excerpt.stems] == NAMES[1:]
    (problem,) = excerpt.problems
    assert problem.startswith("mixture: ")


def test_a_truncated_stem_serves_up_to_where_it_breaks(tmp_path, reader, sound_of):
    track = sound_of(**song(loud_from_s=1.0, seconds=60.0))
    path = tmp_path / "out" / stem_key("song", "1", "accompaniment", "flac")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    excerpt = excerpt_of(reader, track)
    assert [view.name for view in excerpt.stems] == NAMES


def test_stems_are_found_in_an_output_that_was_moved(tmp_path, store, sound_of):
    track = sound_of(**song(loud_from_s=0.0))
    (tmp_path / "out").rename(tmp_path / "elsewhere")
    moved = ExcerptReader(new_output(tmp_path, "elsewhere").store, SETTINGS)
    assert [view.name for view in excerpt_of(moved, track).stems] == NAMES[1:]


def test_an_excerpt_is_read_once_and_let_go_when_its_track_is_not_asked_for(
    tmp_path, reader, sound_of
):
    track = sound_of(**song(loud_from_s=0.0))
    assert reader.known([track]) == [None]
    first = excerpt_of(reader, track)
    (tmp_path / "out" / stem_key("song", "1", "vocals", "flac")).unlink()
    assert excerpt_of(reader, track) is first
    assert reader.known([]) == []
    assert excerpt_of(reader, track).problems


def test_without_time_nothing_is_read_and_nothing_is_remembered(reader, sound_of):
    track = sound_of(**song(loud_from_s=0.0))
    assert reader.read([track], longest_s=0) == [None]
    assert excerpt_of(reader, track).problems == ()
