"""Endings of files worth trying when a whole folder is read."""

AUDIO_EXTENSIONS = frozenset(
    f".{ending}"
    for ending in (
        *("aac", "ac3", "aif", "aifc", "aiff", "alac", "amr", "ape", "au", "caf", "dff", "dsf"),
        *("flac", "m4a", "m4b", "mka", "mp2", "mp3", "mpc", "oga", "ogg", "opus", "ra", "rf64"),
        *("snd", "tta", "w64", "wav", "wave", "weba", "wma", "wv"),
        # Containers of video: their first sound track is read.
        *("avi", "flv", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "ogv", "ts", "webm", "wmv"),
    )
)
