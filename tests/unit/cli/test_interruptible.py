import signal

import pytest

from latentsep.cli import main as command_line
from latentsep.cli.exit_codes import EXIT_INTERRUPTED
from latentsep.cli.interruptible import interruptible


def test_sigterm_ends_the_block_as_ctrl_c_does_and_the_old_handler_comes_back():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), interruptible():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_every_command_ends_with_75_when_it_is_interrupted(monkeypatch, number):
    def interrupted(*arguments, **options):
        signal.raise_signal(number)

    monkeypatch.setattr(command_line, "cli", interrupted)
    with pytest.raises(SystemExit) as ended:
        command_line.main([])
    assert ended.value.code == EXIT_INTERRUPTED
