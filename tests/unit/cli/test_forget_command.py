import io
import json

import pytest
from tiny_outputs import TinyOutput, reject_row

from latentsep.catalogue.lease import Holder, Lease
from latentsep.storage import open_store


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def output(out):
    output = TinyOutput(open_store(str(out)))
    output.finish("a", "b")
    output.commit(rejects=[reject_row("c")])
    return output


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_each_track_is_told(run, out, output):
    size = sum(info.bytes for info in output.store.list("stems/") if "/a/" in info.key)
    code, told, errors = run("forget", out, "--ids", "a,c,nobody", "--yes")
    assert (code, errors) == (0, "")
    assert told == (
        f"a: removed 2 stems ({size / 1000:.1f} kB), 1 results and 0 rejects\n"
        "c: removed 0 stems (0 bytes), 0 results and 1 rejects\n"
        "nobody: unknown here; nothing to remove, and later runs leave it out\n"
    )
    assert len(output.listed()) == 2


def test_the_same_again_says_that_it_was_done(run, out, output):
    run("forget", out, "--ids", "a", "--yes")
    told = run("forget", out, "--ids", "a", "--yes")[1]
    assert told == "a: removed 0 stems (0 bytes), 0 results and 0 rejects, taken down before\n"


def test_ids_come_from_a_file(run, out, output, tmp_path):
    path = tmp_path / "ids.txt"
    path.write_bytes("\ufeffa\r\n\r\nb, with a comma\n".encode())
    told = run("forget", out, "--ids-file", path, "--ids", "b", "--yes", "--output", "json")[1]
    tracks = json.loads(told)["tracks"]
    assert [track["track_id"] for track in tracks] == ["b", "a", "b, with a comma"]
    assert [track["is_unknown"] for track in tracks] == [False, False, True]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "give --ids or --ids-file"),
        (["--ids", ","], "give --ids or --ids-file"),
        (["--ids", "../a"], "nothing was removed"),
        (["--ids-file", "/nowhere/ids.txt"], "cannot be read as a list of ids"),
    ],
)
def test_wrong_ids_end_with_exit_code_2(run, out, output, arguments, text):
    code, told, errors = run("forget", out, "--yes", *arguments)
    assert (code, told) == (2, "")
    assert text in errors
    assert len(output.listed()) == 4


def test_without_a_terminal_it_has_to_be_confirmed_in_advance(run, out, output, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    code, _, errors = run("forget", out, "--ids", "a")
    assert code == 2
    assert "add --yes" in errors
    assert len(output.listed()) == 4


@pytest.mark.parametrize(("answer", "kept"), [("n\n", 4), ("y\n", 2)])
def test_a_person_is_asked(run, out, output, monkeypatch, answer, kept):
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    code, told, _ = run("forget", out, "--ids", "a")
    assert code == 0
    assert f"Remove the stems and rows of 1 tracks in {out} for ever?" in told
    assert len(output.listed()) == kept


def test_nothing_is_done_while_a_job_works(run, out, output):
    with Lease.acquire(output.store, Holder.of_this_process(), ttl_s=1.0):
        code, _, errors = run("forget", out, "--ids", "a", "--yes")
    assert code == 3
    assert str(out) in errors
    assert len(output.listed()) == 4


def test_a_place_without_a_job_ends_with_exit_code_2(run, tmp_path):
    assert run("forget", tmp_path / "nowhere", "--ids", "a", "--yes")[0] == 2
    assert not (tmp_path / "nowhere").exists()
