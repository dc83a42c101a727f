import pytest

from latentsep.audio.decode import Decoder
from latentsep.catalogue.manifest import read_manifest
from latentsep.errors import AudioDecodeError
from latentsep.evaluation.demo import BAD_IDS, LONG_TRACK, TRACKS, write_catalogue
from latentsep.storage import StoreSettings, open_uri


@pytest.fixture(scope="module")
def manifest_file(tmp_path_factory):
    return write_catalogue(tmp_path_factory.mktemp("demo"), song_s=5.0, long_s=12.0)


def test_the_catalogue_holds_every_format_and_three_files_that_are_none(manifest_file):
    table = read_manifest(str(manifest_file), StoreSettings())
    ids = table.column("track_id").to_pylist()
    assert ids == [*(track.track_id for track in TRACKS), LONG_TRACK.track_id, *BAD_IDS]
    uris = dict(zip(ids, table.column("uri").to_pylist(), strict=True))
    with Decoder() as decoder:
        for track in (*TRACKS, LONG_TRACK):
            waveform, info = decoder.read(uris[track.track_id])
            found = (info.sample_rate_hz, info.channels, info.bit_depth or info.is_float)
            wanted = 1 if track.bit_depth == 32 else track.bit_depth or 0
            assert found == (track.sample_rate_hz, track.channels, wanted), track
            seconds = 12 if track is LONG_TRACK else 5
            assert waveform.shape[1] / info.sample_rate_hz == pytest.approx(seconds, abs=0.1)
        for track_id in BAD_IDS:
            with pytest.raises(AudioDecodeError):
                decoder.read(uris[track_id])


def test_references_are_there_for_lossless_tracks_alone(manifest_file):
    table = read_manifest(str(manifest_file), StoreSettings())
    references = dict(
        zip(table["track_id"].to_pylist(), table["vocals_uri"].to_pylist(), strict=True)
    )
    for track in TRACKS:
        assert bool(references[track.track_id]) == track.has_references
        if track.has_references:
            open_uri(references[track.track_id]).close()


def test_a_catalogue_that_is_there_is_left_as_it_is(manifest_file):
    before = {path: path.stat().st_mtime_ns for path in manifest_file.parent.rglob("*")}
    assert write_catalogue(manifest_file.parent, song_s=5.0, long_s=12.0) == manifest_file
    assert {path: path.stat().st_mtime_ns for path in manifest_file.parent.rglob("*")} == before
