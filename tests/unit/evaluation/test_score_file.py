import duckdb
import pytest
from true_songs import true_song

from latentsep.errors import ConfigError
from latentsep.evaluation.score_file import check_score_file, write_scores
from latentsep.evaluation.scoring import ScoreOptions, metric_names, score_song
from latentsep.evaluation.systems import mixture_as_it_is


@pytest.mark.parametrize("ending", ["csv", "parquet", "CSV"])
def test_a_table_has_a_row_for_each_system_and_song_and_undefined_is_empty(tmp_path, ending):
    systems = {"a": mixture_as_it_is, "b": mixture_as_it_is}
    songs = [
        score_song(song, systems, ScoreOptions())
        for song in (true_song("x"), true_song("y", vocals_gain=0.0))
    ]
    file = tmp_path / f"scores.{ending}"
    check_score_file(file)
    write_scores(file, songs)
    reader = "read_parquet" if ending == "parquet" else "read_csv"
    table = duckdb.sql(f"FROM {reader}('{file}')")
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.fetchall()]
    assert [(row["song"], row["system"]) for row in rows] == [
        *(("x", "a"), ("x", "b"), ("y", "a"), ("y", "b")),
    ]
    assert set(metric_names()) < set(table.columns)
    assert rows[0]["vocals_sdr_db"] == pytest.approx(0, abs=0.3)
    assert rows[2]["vocals_sdr_db"] is None
    assert rows[0]["mixture_error_db"] is None
    assert (rows[2]["bss_frames"], rows[2]["bss_undefined_frames"]) == (1, 1)


@pytest.mark.parametrize("name", ["scores.xlsx", "scores", "nosuch/scores.csv"])
def test_a_file_that_cannot_be_is_refused_before_any_work(tmp_path, name):
    with pytest.raises(ConfigError, match=r"scores|nosuch"):
        check_score_file(tmp_path / name)


def test_a_file_that_cannot_be_written_is_refused_by_name(tmp_path):
    (tmp_path / "scores.csv").mkdir()
    with pytest.raises(ConfigError, match=r"scores\.csv cannot be written"):
        write_scores(tmp_path / "scores.csv", [])
