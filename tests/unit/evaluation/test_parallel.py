import pytest
from tiny_models import tiny_model

from latentsep.errors import ConfigError
from latentsep.evaluation.parallel import score_in_processes
from latentsep.evaluation.scoring import ScoreOptions, score_songs
from latentsep.evaluation.songs import GeneratedSong, SongFolder
from latentsep.evaluation.systems import Contest, Variant
from latentsep.models.folder import save_model
from latentsep.separation.options import SeparationOptions


def test_several_processes_find_what_one_finds_in_the_order_of_the_songs(tmp_path):
    save_model(tmp_path / "tiny", tiny_model(), "# tiny\n")
    contest = Contest((Variant("tiny", str(tmp_path / "tiny"), SeparationOptions(device="cpu")),))
    sources = [GeneratedSong(number, 5.0) for number in (1, 0)]
    options = ScoreOptions(excerpt_s=1)
    alone = list(score_songs(sources, contest.systems(), options))
    together = list(score_in_processes(sources, contest, options, jobs=2))
    assert [song.song for song in together] == ["generated-1", "generated-0"]
    for one, other in zip(alone, together, strict=True):
        assert [score.system for score in one.scores] == [score.system for score in other.scores]
        for score, same in zip(one.scores, other.scores, strict=True):
            assert same.values == pytest.approx(score.values, abs=1e-3, nan_ok=True)


def test_what_is_wrong_with_a_song_reaches_the_caller(tmp_path):
    scored = score_in_processes([SongFolder(tmp_path)], Contest(), ScoreOptions(), jobs=1)
    with pytest.raises(ConfigError, match="at least one other stem"):
        list(scored)
