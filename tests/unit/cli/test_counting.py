import io

import pytest

from latentsep.cli.counting import Counting


class Terminal(io.StringIO):
    def isatty(self):
        return True


def told(capsys, times_s):
    clock = iter(times_s)
    with Counting(lambda: next(clock)) as counting:
        counting.tell("1 done")
        counting.tell("2 done")
    return capsys.readouterr().err


def test_elsewhere_a_line_comes_once_a_minute(capsys):
    assert told(capsys, [0.0, 59.0, 61.0, 61.0]) == "2 done\n"


def test_on_a_terminal_one_line_is_written_over_and_removed(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    clock = iter([0.0, 1.0, 1.0, 2.0, 2.0])
    with Counting(lambda: next(clock)) as counting:
        counting.tell("1 done")
        counting.tell("2 done")
    assert terminal.getvalue() == "\r\033[K1 done\r\033[K2 done\r\033[K"


@pytest.mark.parametrize("times_s", [[0.0, 1.0, 2.0]])
def test_nothing_is_told_before_that(capsys, times_s):
    assert told(capsys, times_s) == ""
