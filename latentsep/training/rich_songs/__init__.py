"""Generated songs from sampled instruments and resynthesised speech, with true stems.

Needs the extra ``synth`` and three programs; ``tools.require_tools`` says how to get them.
"""

from latentsep.training.rich_songs.song import generate_song
from latentsep.training.rich_songs.tools import require_tools

__all__ = ["generate_song", "require_tools"]
