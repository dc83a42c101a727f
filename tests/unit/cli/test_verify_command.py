import json

import pytest
from tiny_outputs import TinyOutput

from latentsep.catalogue.lease import Holder, Lease
from latentsep.storage import open_store


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def output(out):
    output = TinyOutput(open_store(str(out)))
    output.finish("a", "b")
    return output


def test_a_whole_output_ends_with_exit_code_0(run, out, output):
    assert run("verify", out) == (0, "2 tracks, the stems of 2 read\nno problems\n", "")


def test_each_problem_is_a_line_and_ends_with_exit_code_1(run, out, output):
    gone, damaged = output.listed()[0], output.listed()[-1]
    output.store.delete([gone])
    output.store.write(damaged, bytes(len(output.store.read(damaged))))
    code, told, errors = run("verify", out)
    assert (code, errors) == (1, "")
    lines = told.splitlines()
    assert f"{output.store.uri_of(gone)}: there is no such object" in told
    assert f"{output.store.uri_of(damaged)}: sha256 is " in told
    assert lines[-2:] == ["2 tracks, the stems of 2 read", "2 problems: 1 missing, 1 sha256"]


def test_more_than_fifty_problems_are_counted(run, out, output):
    output.finish(*(f"t{number}" for number in range(30)))
    output.store.delete(output.listed())
    told = run("verify", out, "--no-sha256")[1].splitlines()
    assert len(told) == 50 + 3
    assert told[-3:] == [
        "and 14 more", "32 tracks, the stems of 0 read", "64 problems: 64 missing",
    ]  # fmt: skip


def test_stems_of_interrupted_attempts_are_told_and_removed_when_asked(run, out, output):
    output.stems("a", attempt="2")
    output.store.write("stems/notes.txt", b"mine")
    code, told, _ = run("verify", out, "--no-sha256")
    assert code == 0
    assert "2 stems of interrupted attempts, " in told
    assert "kB: --clean removes them while no job runs\n" in told
    assert "1 objects below stems/ that no job wrote: kept" in told
    code, told, _ = run("verify", out, "--no-sha256", "--clean")
    assert code == 0
    assert "2 stems of interrupted attempts, " in told
    assert "kB: removed\n" in told
    assert len(output.listed()) == 5
    assert "interrupted" not in run("verify", out, "--no-sha256")[1]


def test_clean_says_what_it_kept(run, out, output):
    output.stems("a", attempt="2")
    output.store.delete([key for key in output.listed() if "/a/1/" in key])
    code, told, _ = run("verify", out, "--no-sha256", "--clean")
    assert code == 1
    assert "kB: 0 removed; tracks whose rows lack something keep theirs\n" in told


def test_clean_is_refused_while_a_job_works(run, out, output):
    output.stems("a", attempt="2")
    with Lease.acquire(output.store, Holder.of_this_process(), ttl_s=1.0):
        assert run("verify", out)[0] == 0
        code, told, errors = run("verify", out, "--clean")
    assert (code, told) == (3, "")
    assert str(out) in errors
    assert len(output.listed()) == 6


def test_a_sample_is_read(run, out, output):
    assert "2 tracks, the stems of 1 read" in run("verify", out, "--sample", 1)[1]


def test_everything_is_in_the_json_document(run, out, output):
    output.store.delete([output.listed()[0]])
    output.stems("x")
    code, told, _ = run("verify", out, "--output", "json")
    document = json.loads(told)
    assert code == 1
    assert document["problems"] == {"missing": 1}
    assert document["first_problems"][0]["kind"] == "missing"
    assert (document["rows"], document["rows_read"]) == (2, 2)
    assert document["orphans"]["objects"] == 2
    assert document["removed"] == {"objects": 0, "bytes": 0}


def test_a_place_without_a_job_ends_with_exit_code_2(run, tmp_path):
    code, _, errors = run("verify", tmp_path / "nowhere", "--clean")
    assert code == 2
    assert "holds no output of a job" in errors
    assert not (tmp_path / "nowhere").exists()
