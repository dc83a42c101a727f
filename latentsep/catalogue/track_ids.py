"""Names of tracks: what they may be, how one is made, and where a track's stems lie."""

import hashlib
import unicodedata

MAX_TRACK_ID_BYTES = 200
"""A file name has at most 255 bytes on nearly all file systems, and an object key 1,024."""

# Control characters, what is not UTF-8, and the separators that end a line in many readers.
_UNFIT_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})


def check_track_id(track_id: str) -> str | None:
    """Why an id cannot be a part of a path, as the end of a sentence; ``None`` if it can."""
    size = len(_bytes(track_id))
    checks = (
        (not track_id, "is empty"),
        (track_id.startswith("."), "begins with a dot"),
        ("/" in track_id or "\\" in track_id, "has a slash or backslash"),
        (
            any(unicodedata.category(character) in _UNFIT_CATEGORIES for character in track_id),
            "has a control character or line end",
        ),
        (track_id != track_id.strip(), "begins or ends with a space"),
        (size > MAX_TRACK_ID_BYTES, f"is {size} bytes long, allowed are {MAX_TRACK_ID_BYTES}"),
    )
    return next((objection for is_wrong, objection in checks if is_wrong), None)


def fold_track_id(track_id: str) -> str:
    """Equal for ids that some file system does not tell apart: case, composed letters."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", track_id).casefold())


def track_id_of(uri: str) -> str:
    """The id of a track that was given none: 32 hex digits that depend on its absolute URI alone.

    Another URI is another track, even if the same bytes lie there.
    """
    return hashlib.blake2b(_bytes(uri), digest_size=16).hexdigest()


def fan_out(track_id: str) -> str:
    """One of 256 folders, two hex digits, so that no folder holds a whole catalogue."""
    return hashlib.blake2b(_bytes(track_id), digest_size=1).hexdigest()


def stem_key(track_id: str, attempt: str, stem: str, extension: str) -> str:
    """Key of one stem in the output.

    Args:
        track_id: a valid one.
        attempt: token of the attempt that writes the stem.
        stem: ``vocals`` or ``accompaniment``.
        extension: of the file, with or without its dot.
    """
    name = f"{stem}.{extension.removeprefix('.')}"
    return f"stems/{fan_out(track_id)}/{track_id}/{attempt}/{name}"


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
