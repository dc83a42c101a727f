import json
import subprocess
import sys
import textwrap

import click
import pytest

from latentsep.cli import main as main_module
from latentsep.cli.main import cli
from latentsep.errors import ConfigError, TrackError
from latentsep.version import __version__

COMMANDS = sorted(cli.commands)


def test_the_version_is_told(run):
    assert run("--version") == (0, f"latentsep, version {__version__}\n", "")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_every_command_has_help(run, command, flag):
    code, told, errors = run(command, flag)
    assert (code, errors) == (0, "")
    assert told.startswith(f"Usage: latentsep {command} ")
    assert cli.commands[command].help.splitlines()[0] in " ".join(told.split())


def test_the_help_lists_every_command(run):
    _, told, _ = run("--help")
    assert [name for name in COMMANDS if f"\n  {name} " not in told] == []


@pytest.mark.parametrize("arguments", [["--help"], *([name, "--help"] for name in COMMANDS)])
def test_help_imports_neither_torch_nor_ray(arguments):
    code = """
        import json, sys
        from latentsep.cli.main import main
        try:
            main(sys.argv[1:])
        finally:
            print(json.dumps(sorted(sys.modules)), file=sys.stderr)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {name.split(".")[0] for name in json.loads(done.stderr)}
    assert loaded & {"torch", "ray", "scipy", "av", "pandas", "transformers"} == set()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["separate"], "Missing argument 'INPUT...'"),
        (["seperate"], "No such command 'seperate'"),
        (["separate", "--no-such-option", "a.wav"], "No such option '--no-such-option'"),
        (["separate", "a.wav", "--steps", "0"], "Invalid value for '--steps'"),
        (["separate", "a.wav", "--draws", "many"], "Invalid value for '--draws'"),
        (["separate", "a.wav", "--segment", "-1"], "Invalid value for '--segment'"),
        (["separate", "a.wav", "--overlap", "0.9"], "Invalid value for '--overlap'"),
        (["separate", "a.wav", "--seed", "-1"], "Invalid value for '--seed'"),
        (["separate", "a.wav", "--threads", "0"], "Invalid value for '--threads'"),
        (["separate", "a.wav", "--output", "xml"], "'xml' is not one of 'text', 'json'"),
        (["models", "--output", "xml"], "'xml' is not one of"),
        (["train"], "Missing argument 'CONFIG'"),
        (["evaluate"], "nothing to score: give a FOLDER of songs, or --generated N"),
    ],
)
def test_wrong_usage_is_told_with_exit_code_2(run, arguments, message):
    code, told, errors = run(*arguments)
    assert (code, told) == (2, "")
    assert message in errors
    assert errors.startswith("Usage: latentsep ")


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (ConfigError("x is 1, allowed is 2"), 2, "Error: x is 1, allowed is 2\n"),
        (TrackError("a.wav: broken"), 1, "Error: a.wav: broken\n"),
        (KeyboardInterrupt(), 75, "\nInterrupted; run the same command again to go on.\n"),
        (click.Abort(), 75, "Interrupted; run the same command again to go on.\n"),
    ],
)
def test_errors_become_a_line_and_an_exit_code(run, monkeypatch, error, code, line):
    @click.command()
    def failing():
        raise error

    monkeypatch.setattr(main_module, "cli", failing)
    assert run() == (code, "", line)


def test_a_bug_is_not_hidden(run, monkeypatch):
    @click.command()
    def failing():
        raise ZeroDivisionError

    monkeypatch.setattr(main_module, "cli", failing)
    with pytest.raises(ZeroDivisionError):
        run()
