import socket

import pytest
from tiny_outputs import TinyOutput, reject_row

from latentsep.storage import open_store


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "out"
    output = TinyOutput(open_store(str(folder)))
    output.finish("fine", "<b>bold</b>", bleed_db=-20.0)
    output.commit(rejects=[reject_row("bad")])
    output.tell("done", tracks=3)
    return folder


def test_the_page_goes_into_the_output(run, out):
    code, told, errors = run("report", out)
    page = (out / "report.html").read_text()
    assert (code, errors) == (0, "")
    assert told == f"{(out / 'report.html').as_uri()}: written\n"
    assert "bad is no audio" in page
    assert "&lt;b&gt;bold&lt;/b&gt;" in page
    assert "<audio" in page


def test_the_page_goes_where_it_is_asked_for_and_replaces_an_older_one(run, out, tmp_path):
    file = tmp_path / "page.html"
    file.write_text("old")
    assert run("report", out, "-o", file)[0] == 0
    assert file.read_text().startswith("<!doctype html>")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "page.html"]
    assert not (out / "report.html").exists()


def test_no_stems_are_read_without_excerpts(run, out, tmp_path):
    file = tmp_path / "page.html"
    assert run("report", out, "-o", file, "--no-excerpts")[0] == 0
    assert "<audio" not in file.read_text()


def test_two_outputs_are_compared(run, out, tmp_path):
    before = tmp_path / "before"
    TinyOutput(open_store(str(before))).finish("fine", bleed_db=-10.0)
    assert run("report", out, "--against", before)[0] == 0
    assert "Finished in both" in (out / "report.html").read_text()


def test_an_output_that_cannot_be_compared_is_told_on_the_page(run, out, tmp_path):
    assert run("report", out, "--against", tmp_path / "nowhere")[0] == 0
    page = (out / "report.html").read_text()
    assert "holds no output of a job" in page
    assert "bad is no audio" in page


def test_missing_stems_are_told_on_the_page(run, out):
    for stem in out.glob("stems/**/vocals.flac"):
        stem.unlink()
    assert run("report", out)[0] == 0
    page = (out / "report.html").read_text()
    assert "vocals: " in page
    assert 'alt="Spectrogram of the accompaniment"' in page


def test_an_output_that_was_only_begun_has_a_page(run, tmp_path):
    TinyOutput(open_store(str(tmp_path)))
    assert run("report", tmp_path)[0] == 0
    assert "No track is finished yet" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_a_place_without_a_job_ends_with_exit_code_2(run, tmp_path, name):
    (tmp_path / "empty").mkdir()
    code, told, errors = run("report", tmp_path / name)
    assert (code, told) == (2, "")
    assert f"{tmp_path / name} holds no output of a job" in errors
    assert not list(tmp_path.glob("**/report.html"))


def test_a_page_that_cannot_be_written_ends_with_exit_code_2(run, out, tmp_path):
    file = tmp_path / "no" / "folder.html"
    code, _, errors = run("report", out, "-o", file)
    assert code == 2
    assert f"{file}: the report cannot be written" in errors
    assert "-o/--file" in errors


def test_a_taken_port_ends_with_exit_code_2(run, out):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, told, errors = run("report", out, "--serve", "--port", port)
    assert (code, told) == (2, "")
    assert len(errors.splitlines()) == 1
    assert f"port {port}" in errors
    assert "--port" in errors


def test_serving_and_writing_a_file_exclude_each_other(run, out, tmp_path):
    code, _, errors = run("report", out, "--serve", "-o", tmp_path / "page.html")
    assert code == 2
    assert "leave out either --serve or -o/--file" in errors
