"""Generated songs with true stems, for training without any recorded music."""

from latentsep.training.songs.song import Song, generate_accompaniment, generate_song
from latentsep.training.songs.vocals import generate_vocals

__all__ = ["Song", "generate_accompaniment", "generate_song", "generate_vocals"]
