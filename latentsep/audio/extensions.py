"""Endings of files worth trying when a whole folder is read."""

AUDIO_EXTENSIONS = frozenset(
    f".{ending}"
    for ending in (
        *("aac", "ac3", "aif", "aifc", "aiff", "alac", "ape", "au", "caf"),
        *("flac", "m4a", "m4b", "mka", "mp2", "mp3", "oga", "ogg", "opus", "rf64"),
        *("snd", "tta", "w64", "wav", "wave", "weba", "wma", "wv"),
        # Containers of video: their first sound track is read.
        *("avi", "m4v", "mkv", "mov", "mp4", "ogv", "ts", "webm", "wmv"),
    )
)
