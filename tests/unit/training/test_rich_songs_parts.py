import struct
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stand_in_tools import babble

from latentsep.training.rich_songs import lexicon, lines
from latentsep.training.rich_songs.grooves import drum_part, percussion_part
from latentsep.training.rich_songs.instruments import SAMPLE_RATE_HZ
from latentsep.training.rich_songs.layout import Layout, random_layout
from latentsep.training.rich_songs.midi import Expression, Part, midi_file
from latentsep.training.rich_songs.speech import FRAME_S, SPEECH_RATE_HZ, analyse, read_speech
from latentsep.training.rich_songs.takes import another_take, spoken_take, sung_take, synthesise
from latentsep.training.rich_songs.throat import BIN_HZ, N_BINS, random_voice
from latentsep.training.songs.articulation import Manner
from latentsep.training.songs.harmony import Note, random_plan
from latentsep.training.songs.singer import random_singer

seeds = st.integers(0, 2**32 - 1)
notes = st.builds(
    Note,
    start_s=st.floats(0, 50),
    duration_s=st.floats(0, 5),
    pitch_midi=st.integers(0, 127).map(float),
    velocity=st.floats(0, 1),
)


def _plan(seed, duration_s=30.0):
    return random_plan(np.random.default_rng(seed), duration_s)


def _messages(content):
    """``(tick, status, data bytes)`` of a format-0 file without running status."""
    assert content[:4] == b"MThd"
    assert struct.unpack(">IHHH", content[4:14]) == (6, 0, 1, 500)
    assert content[14:18] == b"MTrk"
    assert struct.unpack(">I", content[18:22])[0] == len(content) - 22
    track, at, tick = content[22:], 0, 0
    while True:
        delta = 0
        while track[at] & 128:
            delta, at = (delta << 7) | (track[at] & 127), at + 1
        delta, at = (delta << 7) | track[at], at + 1
        tick += delta
        if track[at] == 0xFF:
            assert track[at:] == b"\xff\x2f\x00"
            return
        size = 1 if track[at] & 0xF0 == 0xC0 else 2
        yield tick, track[at], tuple(track[at + 1 : at + 1 + size])
        at += 1 + size


@given(st.lists(notes, max_size=12), st.booleans())
def test_a_midi_file_strikes_and_ends_every_note(played, percussion):
    found = list(_messages(midi_file(Part(5, tuple(played), percussion))))
    channel = 9 if percussion else 0
    assert (0, 0xC0 | channel, (5,)) in found
    strikes = sorted((tick, data[0]) for tick, status, data in found if status == 0x90 | channel)
    assert strikes == sorted((round(1000 * n.start_s), int(n.pitch_midi)) for n in played)
    assert sum(status == 0x80 | channel for _, status, _ in found) == len(played)
    assert all(data[1] > 0 for _, status, data in found if status == 0x90 | channel)


def test_a_repeated_note_ends_before_it_is_struck_again():
    pair = (Note(0.0, 1.0, 60.0, 1.0), Note(1.0, 1.0, 60.0, 1.0))
    at_one_s = [status for tick, status, _ in _messages(midi_file(Part(0, pair))) if tick == 1000]
    assert at_one_s == [0x80, 0x90]


def test_a_glide_begins_at_the_note_before_and_arrives():
    melody = (Note(0.0, 1.0, 60.0, 1.0), Note(1.0, 1.0, 64.0, 1.0))
    glide = Expression(0.05, 0.0, 5.0, 0.0, swell=False)
    bends = [
        (tick, (data[0] | data[1] << 7) / 8192 * 12 - 12)
        for tick, status, data in _messages(midi_file(Part(40, melody, expression=glide)))
        if status == 0xE0
    ]
    assert dict(bends)[1000] == pytest.approx(-4, abs=0.01)
    assert dict(bends)[1990] == pytest.approx(0, abs=0.01)
    assert dict(bends)[500] == pytest.approx(0, abs=0.01)


@given(seeds)
def test_every_phrase_is_either_sung_or_played_in_a_rest(seed):
    rng = np.random.default_rng(seed)
    plan = _plan(seed)
    layout = random_layout(rng, plan)
    phrase = [Note(float(t), 0.1, 60.0, 1.0) for t in np.arange(0, 30, 0.25)]
    sung, played = layout.sung([phrase]), layout.played([phrase])
    together = [n for part in (*sung, *played) for n in part]
    assert sorted(n.start_s for n in together) == [n.start_s for n in phrase]
    assert all(layout.is_rest(n.start_s) for part in played for n in part)


@given(seeds)
def test_drummers_keep_to_the_kit_and_to_the_song(seed):
    rng = np.random.default_rng(seed)
    plan = _plan(seed)
    for part in (drum_part(rng, plan), percussion_part(rng, plan)):
        assert part.percussion
        assert all(35 <= n.pitch_midi <= 82 for n in part.notes)
        assert all(0 <= n.start_s < 30 and 0 < n.velocity <= 1 for n in part.notes)


@given(seeds)
def test_basses_stay_low_and_in_the_scale(seed):
    plan = _plan(seed)
    part = lines.bass_part(np.random.default_rng(seed), plan)
    assert part.notes
    classes = {(plan.root_midi + step) % 12 for step in plan.scale}
    assert all(n.pitch_midi % 12 in classes for n in part.notes)
    assert max(n.pitch_midi for n in part.notes) < 60


@given(seeds)
def test_melody_instruments_play_one_note_at_a_time(seed):
    rng, plan = np.random.default_rng(seed), _plan(seed)
    sung = [[Note(1.0, 1.5, 60.0, 0.8), Note(2.0, 1.0, 62.0, 0.8)]]
    for part in (lines.lead_part(rng, plan, Layout(())), lines.unison_part(rng, plan, sung)):
        for note, following in pairwise(part.notes):
            assert note.start_s + note.duration_s <= following.start_s + 1e-9


@pytest.mark.parametrize("language", lexicon.LANGUAGES)
def test_every_language_has_words_without_gaps(language):
    words = lexicon.random_words(np.random.default_rng(0), language, 30)
    assert len(words) == 30
    assert len(set(words)) > 5
    assert all(word and not set(word) & set(" -") for word in words)


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    file = tmp_path_factory.mktemp("speech") / "babble.wav"
    babble(str(file), n_syllables=9)
    return analyse(read_speech(file))


@pytest.fixture(scope="module")
def voice(speech):
    return random_voice(np.random.default_rng(0), random_singer(np.random.default_rng(1)), speech)


def test_syllables_are_found_where_they_were_spoken(speech):
    lead_s, period_s = 2_000 / SPEECH_RATE_HZ, 0.28
    assert len(speech.syllables) == 9
    for i, syllable in enumerate(speech.syllables):
        begin_s = lead_s + i * period_s
        assert syllable.start * FRAME_S == pytest.approx(begin_s, abs=0.05)
        assert syllable.vowel_start * FRAME_S == pytest.approx(begin_s + 0.06, abs=0.04)
        assert syllable.vowel_end * FRAME_S == pytest.approx(begin_s + 0.22, abs=0.04)
        assert syllable.vowel_end <= syllable.end


def test_silence_has_no_syllables():
    silence = 1e-6 * np.random.default_rng(0).standard_normal(SPEECH_RATE_HZ)
    assert analyse(silence).syllables == ()


def test_a_voice_goes_on_above_the_band_of_the_speech(voice):
    assert voice.level_db.shape == (len(voice.f0_hz), N_BINS)
    vowel = voice.level_db[voice.f0_hz > 0].mean(axis=0)
    body, treble = vowel[int(800 / BIN_HZ)], vowel[int(14_000 / BIN_HZ)]
    assert body - 70 < treble < body - 6


def _median_hz(samples, span_s):
    import pyworld

    first, last = (round(t * SAMPLE_RATE_HZ) for t in span_s)
    f0_hz, _ = pyworld.dio(samples[first:last].astype(np.float64), SAMPLE_RATE_HZ)
    return float(np.median(f0_hz[f0_hz > 0]))


def test_notes_are_sung_at_their_pitch_and_their_time(voice):
    rng = np.random.default_rng(0)
    phrase = [Note(1.0, 0.8, 57.0, 0.9), Note(1.8, 0.8, 64.0, 0.9)]
    take = sung_take(rng, voice, Manner(quantised=True, melisma=0.0), phrase, 0)
    sung = synthesise(rng, voice, take)
    for note in phrase:
        start_s = note.start_s - take.start_s
        expected_hz = 440 * 2 ** ((note.pitch_midi - 69) / 12)
        found_hz = _median_hz(sung, (start_s + 0.1, start_s + 0.5))
        assert found_hz == pytest.approx(expected_hz, rel=0.02)
    power = np.square(sung)
    before_s, end_s = 1.0 - take.start_s - 0.25, 2.6 - take.start_s + 0.1
    quiet = [power[: round(before_s * SAMPLE_RATE_HZ)], power[round(end_s * SAMPLE_RATE_HZ) :]]
    assert max(p.mean() for p in quiet) < 1e-3 * power.mean()


def test_a_harmony_is_the_same_words_at_an_interval(voice):
    rng = np.random.default_rng(0)
    phrase = [Note(1.0, 1.2, 57.0, 0.9)]
    take = sung_take(rng, voice, Manner(quantised=True, melisma=0.0), phrase, 0)
    third = another_take(rng, take, 4.0)
    np.testing.assert_array_equal(third.place, take.place)
    ratio = third.f0_hz[take.f0_hz > 0] / take.f0_hz[take.f0_hz > 0]
    assert np.median(ratio) == pytest.approx(2 ** (4 / 12), rel=0.02)


@given(seed=seeds)
def test_speech_fills_its_phrase_and_keeps_its_consonants_voiceless(voice, seed):
    rng = np.random.default_rng(seed)
    take = spoken_take(rng, voice, [Note(2.0, 0.5, 60.0, 1.0), Note(2.5, 3.0, 60.0, 1.0)], seed)
    assert len(take.place) == round(3.5 / FRAME_S)
    assert 0.1 < np.mean(take.f0_hz > 0) < 0.9
