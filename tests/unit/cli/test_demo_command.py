import soundfile

from latentsep.evaluation import demo


def test_the_demo_generates_separates_and_scores(run, model_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "SONG_S", 5.0)
    code, told, errors = run("demo", "-n", model_folder, "-o", tmp_path)
    assert (code, errors) == (0, "")
    songs = sorted(path for path in (tmp_path / "songs").iterdir())
    assert len(songs) == len(demo.FORMATS)
    assert told.startswith(f"generated {len(songs)} songs in {tmp_path}/songs\n")
    assert f"{len(songs)} separated, 0 failed" in told
    for song in songs:
        stem = tmp_path / "stems/tiny" / song.stem / "vocals.flac"
        assert soundfile.info(stem).samplerate == soundfile.info(song).samplerate
        (line,) = [line for line in told.splitlines() if line.endswith(f"in {stem}")]
        assert line.startswith(song.name)
    assert told.count("vocals SDR") == len(songs)
