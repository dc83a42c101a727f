"""What an operating system's error means for a store."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from latentsep.errors import AccessDeniedError, ObjectMissingError, StoreError

_MISSING = {errno.ENOENT, errno.ENOTDIR}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}
# Somebody may free space, or the network file system may come back.
_PASSING = {
    errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN,
    errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EBUSY, errno.ENOLCK,
}  # fmt: skip


@contextmanager
def explained(uri: str) -> Iterator[None]:
    """Turn the OSError of a block into a StoreError that names the object."""
    try:
        yield
    except OSError as error:
        raise store_error(error, uri) from error


def store_error(error: OSError, uri: str) -> StoreError:
    """The store's error for the system's, with the reason in words."""
    number = error.errno or 0
    reason = os.strerror(number) if number else str(error)
    if number in _MISSING:
        return ObjectMissingError(f"{uri}: {reason}")
    if number in _DENIED:
        return AccessDeniedError(f"{uri}: {reason}; check the permissions of file and folder")
    return StoreError(f"{uri}: {reason}", retryable=number in _PASSING)
