"""Turns whatever names or holds audio into a local file that the decoder child can open."""

import os
import re
import tempfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, BinaryIO
from urllib.parse import unquote, urlsplit

from latentsep.errors import AudioDecodeError

AudioSource = str | os.PathLike[str] | bytes | BinaryIO
"""A path, a ``file://`` URI, the bytes of a file, or an open binary stream from its position on."""

SPOOL_PIECE_BYTES = 1024 * 1024
_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*)://")


@dataclass(frozen=True)
class LocalFile:
    """A file to decode, and the name that messages call it by."""

    path: Path
    name: str
    is_temporary: bool = False

    def release(self) -> None:
        """Remove the file if it was only spooled here."""
        if self.is_temporary:
            self.path.unlink(missing_ok=True)


def localise(source: AudioSource | LocalFile, spool_folder: Path | None = None) -> LocalFile:
    """Find or make the local file of a source; streams are copied in bounded pieces.

    A ``LocalFile`` is taken as it is: whoever fetched an object gives it the object's name.

    Whatever a stream's ``read`` raises is passed on as it is.

    Raises:
        AudioDecodeError: the URI's scheme is not ``file``, or the copy does not fit on the disk.
    """
    if isinstance(source, LocalFile):
        return source
    if isinstance(source, str):
        return LocalFile(path_from_uri(source), source)
    if isinstance(source, os.PathLike):
        return LocalFile(Path(source), os.fspath(source))
    if isinstance(source, bytes):
        return _spool(BytesIO(source), f"<{len(source)} bytes>", spool_folder)
    return _spool(source, str(getattr(source, "name", "<stream>")), spool_folder)


def path_from_uri(uri: str) -> Path:
    """Local path of a plain path or ``file://`` URI.

    Raises:
        AudioDecodeError: the URI has another scheme or another host.
    """
    match = _SCHEME.match(uri)
    if match is None:
        return Path(uri)
    scheme = match[1].lower()
    if scheme != "file":
        raise AudioDecodeError(
            f"{uri}: scheme {scheme!r} cannot be opened here, allowed are paths and file://; "
            "open the object yourself and pass the binary stream"
        )
    parts = urlsplit(uri)
    if parts.netloc not in ("", "localhost"):
        raise AudioDecodeError(
            f"{uri}: host {parts.netloc!r} in a file URI; write file:///path with three slashes"
        )
    return Path(unquote(parts.path))


def _spool(stream: BinaryIO, name: str, folder: Path | None) -> LocalFile:
    with tempfile.NamedTemporaryFile(prefix="latentsep-spool-", dir=folder, delete=False) as file:
        local = LocalFile(Path(file.name), name, is_temporary=True)
        try:
            while piece := stream.read(SPOOL_PIECE_BYTES):
                _write(file, piece, name)
            _write(file, b"", name)
        except BaseException:
            local.release()
            raise
    return local


def _write(file: IO[bytes], piece: bytes, name: str) -> None:
    """Write, and for an empty piece flush; the disk's error names the source and the remedy."""
    try:
        file.write(piece) if piece else file.flush()
    except OSError as error:
        raise AudioDecodeError(
            f"{name}: cannot be spooled to {tempfile.gettempdir()}: {error.strerror}; "
            "free space there or set TMPDIR"
        ) from error
