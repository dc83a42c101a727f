import io
import sys

import pytest

from latentsep.cli import progress as progress_module
from latentsep.cli.progress import TrackProgress, printable


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def open_terminal(monkeypatch):
    """Puts standard error on a terminal; in the test itself, since pytest captures by phase."""

    def open_terminal():
        terminal = Terminal()
        monkeypatch.setattr("sys.stderr", terminal)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "80")
        return terminal

    return open_terminal


def test_elsewhere_than_on_a_terminal_a_line_comes_each_minute(capsys, monkeypatch):
    now_s = [0.0]
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: now_s[0])
    with TrackProgress(3) as progress:
        progress.start("a.wav")
        for second in range(0, 150, 10):
            now_s[0] = float(second)
            progress.seconds(second, 200.0)
        progress.finish()
        progress.start("b.wav")
        now_s[0] = 201.0
        progress.seconds(30.0, None)
    told = capsys.readouterr()
    assert told.err.splitlines() == [
        "0 of 3 tracks done, now a.wav 35%",
        "0 of 3 tracks done, now a.wav 70%",
        "1 of 3 tracks done, now b.wav 30 s",
    ]
    assert told.out == ""


def test_the_bar_shows_odd_names_as_they_are(open_terminal):
    terminal = open_terminal()
    with TrackProgress(2) as progress:
        progress.start("song [Official Video] [/red] :smile:.mp3")
        progress.seconds(5.0, 10.0)
        progress.finish()
    assert "song [Official Video] [/red] :smile:.mp3 50%" in terminal.getvalue()


def test_results_go_to_a_file_while_the_bar_is_on_a_terminal(open_terminal, monkeypatch):
    terminal = open_terminal()
    file = io.StringIO()
    monkeypatch.setattr("sys.stdout", file)
    with TrackProgress(1) as progress:
        progress.start("a.wav")
        progress.print("a.wav -> out")
        print("another line")  # noqa: T201
    assert file.getvalue() == "a.wav -> out\nanother line\n"
    assert "->" not in terminal.getvalue()


def test_results_on_the_same_terminal_do_not_break_the_bar(open_terminal, monkeypatch):
    terminal = open_terminal()
    monkeypatch.setattr("sys.stdout", sys.stderr)
    with TrackProgress(1) as progress:
        progress.start("a.wav")
        progress.print("a [b] :smile:.wav -> out " + "x" * 100)
    assert "a [b] :smile:.wav -> out " + "x" * 100 in terminal.getvalue()


def test_errors_do_not_break_the_bar(open_terminal, monkeypatch):
    terminal = open_terminal()
    file = io.StringIO()
    monkeypatch.setattr("sys.stdout", file)
    with TrackProgress(1) as progress:
        progress.start("a.wav")
        progress.print("Error: [x].wav: no such file", err=True)
    # Erases the bar before the line.
    assert "\r\x1b[2KError: [x].wav: no such file\n" in terminal.getvalue()
    assert file.getvalue() == ""


@pytest.mark.parametrize("err", [False, True])
def test_without_a_bar_lines_go_where_they_belong(capsys, err):
    with TrackProgress(1) as progress:
        progress.print("a line", err=err)
    told = capsys.readouterr()
    assert (told.err if err else told.out) == "a line\n"
    assert (told.out if err else told.err) == ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain [x] 日本 é.wav", "plain [x] 日本 é.wav"),
        ("two\nlines\r\t", r"two\nlines\r\t"),
        ("\x1b[2Jgone", r"\x1b[2Jgone"),
        ("caf\udce9", r"caf\udce9"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
    ],
)
def test_printable_text_is_one_line_without_commands(text, shown):
    assert printable(text) == shown
