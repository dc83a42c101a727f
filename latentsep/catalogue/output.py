"""Opens the output of a job that was begun before."""

from latentsep.catalogue.run_identity import RUN_KEY
from latentsep.errors import ConfigError, ObjectMissingError, StoreError
from latentsep.storage import Store, StoreSettings, open_store

STATUS_KEY = "status.json"
REPORT_KEY = "report.html"
"""The page about the output. It holds sound of some tracks, so it goes when a track does."""
_LOGS = ("results/", "rejects/", "withdrawn/")


def open_output(uri: str, settings: StoreSettings) -> Store:
    """The store of an output in which a job was begun, also if that is all that was done.

    Raises:
        ConfigError: there is no such output, or it must not be read.
        StoreError: the store cannot be asked now.
    """
    store = open_store(uri, settings)
    try:
        is_there = _is_begun(store)
    except StoreError as error:
        if error.retryable:
            raise
        raise ConfigError(f"{uri} cannot be read as the output of a job: {error}") from error
    if not is_there:
        raise ConfigError(
            f"{uri} holds no output of a job: no {RUN_KEY} and no results; give the folder or "
            "prefix that the job has as its -o/--out"
        )
    return store


def _is_begun(store: Store) -> bool:
    if any(_has(store, key) for key in (RUN_KEY, STATUS_KEY)):
        return True
    return any(next(iter(store.list(prefix)), None) is not None for prefix in _LOGS)


def _has(store: Store, key: str) -> bool:
    try:
        store.stat(key)
    except ObjectMissingError:
        return False
    return True
