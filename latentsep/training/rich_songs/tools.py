"""The programs and files from outside that make the sounds."""

import importlib.util
import shutil
import subprocess
from pathlib import Path

from latentsep.errors import ConfigError

INSTALL_COMMAND = (
    "apt-get install fluidsynth fluid-soundfont-gm espeak-ng && pip install 'latentsep[synth]'"
)
PROGRAMS = ("fluidsynth", "espeak-ng")
SOUNDFONTS = (
    Path("/usr/share/sounds/sf2/FluidR3_GM.sf2"),
    Path("/usr/share/soundfonts/FluidR3_GM.sf2"),
)
"""Where Debian and others put FluidR3."""

RUN_LIMIT_S = 120.0
"""Either program takes a second or two."""


def require_tools() -> None:
    """See that everything is there.

    Raises:
        ConfigError: a program, the soundfont or the Python package is missing.
    """
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if not any(path.is_file() for path in SOUNDFONTS):
        missing.append(SOUNDFONTS[0].name)
    if importlib.util.find_spec("pyworld") is None:
        missing.append("the Python package pyworld")
    if missing:
        raise _missing(", ".join(missing))


def soundfont() -> Path:
    """The General MIDI soundfont.

    Raises:
        ConfigError: none of the known places has it.
    """
    for path in SOUNDFONTS:
        if path.is_file():
            return path
    raise _missing(" or ".join(str(path) for path in SOUNDFONTS))


def run_tool(program: str, arguments: list[str]) -> None:
    """Run one of ``PROGRAMS`` to its end.

    Raises:
        ConfigError: it is missing, fails, or hangs.
    """
    try:
        subprocess.run(
            [program, *arguments],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=RUN_LIMIT_S,
        )
    except FileNotFoundError as error:
        raise _missing(program) from error
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip()[-500:]
        raise ConfigError(f"{program} ended with status {error.returncode}: {said}") from error
    except subprocess.TimeoutExpired as error:
        raise ConfigError(f"{program} was not done after {RUN_LIMIT_S:g} s") from error


def _missing(names: str) -> ConfigError:
    return ConfigError(
        f"the rich song generator needs {names}, which is not installed; run: {INSTALL_COMMAND}"
    )
