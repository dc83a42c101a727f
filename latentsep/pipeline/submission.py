"""Sends the catalogue job to a cluster through Ray Jobs, follows it and stops it.

The job's driver then runs on the cluster's head, and this machine may go away.
"""

import asyncio
import os
import shlex
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from latentsep.errors import ConfigError

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

CONNECT_TIMEOUT_S = 10.0
POLL_EVERY_S = 1.0
STOP_WAIT_S = 30
"""What a job that was sent from here gets between SIGTERM and SIGKILL; Ray's own is 3 s."""
STOP_WAIT_NAME = "RAY_JOB_STOP_WAIT_TIME_S"
CONFIG_NAME = "config.yaml"
# Ray lets these override the address that it is given.
_ADDRESS_VARIABLES = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")


@dataclass(frozen=True)
class JobEnd:
    """How a job ended.

    Attributes:
        status: SUCCEEDED, FAILED or STOPPED.
        exit_code: of the job's driver; None where Ray does not know it.
        message: what Ray says about it.
    """

    status: str
    exit_code: int | None
    message: str


def separate_command(
    manifest: str, out: str, options: Sequence[str], *, has_config: bool
) -> list[str]:
    """The words of the job's own command, as they run on the head.

    Raises:
        ConfigError: a path is relative; on the head it would be another place.
    """
    for name, uri in (("MANIFEST", manifest), ("OUT", out)):
        if "://" not in uri and not Path(uri).is_absolute():
            raise ConfigError(
                f"{name} {uri}: a relative path means another place on the cluster; give an "
                "s3:// URI, or the absolute path of a folder that all nodes share"
            )
    config = ["--config", CONFIG_NAME] if has_config else []
    command = ["latentsep", "separate", manifest, "-o", out, "--address", "auto"]
    return [*command, *config, *options]


def auth_token(environment: Mapping[str, str]) -> str | None:
    """The cluster's token, found where Ray looks for it; None if there is none.

    Raises:
        ConfigError: the file that RAY_AUTH_TOKEN_PATH names cannot be read, or is empty.
    """
    if token := environment.get("RAY_AUTH_TOKEN", "").strip():
        return token
    named = environment.get("RAY_AUTH_TOKEN_PATH")
    path = Path(named) if named else Path(environment.get("HOME", "~"), ".ray", "auth_token")
    try:
        token = path.expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        if named is None:
            return None
        raise ConfigError(
            f"RAY_AUTH_TOKEN_PATH {named}: the token cannot be read: {error}"
        ) from error
    if not token and named is not None:
        raise ConfigError(f"RAY_AUTH_TOKEN_PATH {named}: the file is empty")
    return token or None


def sends_token_in_clear(address: str) -> bool:
    """Whether the way to the cluster is neither encrypted nor inside this machine."""
    parts = urlsplit(address)
    return parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1")


class ClusterJobs:
    """The jobs of one cluster.

    Args:
        address: of the dashboard, ``http://HOST:8265``.
        token: sent as ``Authorization: Bearer``; None where the cluster wants none.

    Raises:
        ConfigError: nobody answers there, or the token is missing or refused.
    """

    def __init__(self, address: str, token: str | None) -> None:
        self._address = address
        _must_listen(address)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        with self._explained():
            self._client = _client(address, headers)

    def submit(self, command: Sequence[str], config: Path | None = None) -> str:
        """Start a job; gives its id.

        Args:
            command: the words of the entrypoint.
            config: a file that lies beside the job as ``config.yaml``.

        Raises:
            ConfigError: the cluster refuses it, or the file cannot be read.
        """
        with tempfile.TemporaryDirectory() as folder, self._explained():
            environment: dict[str, object] = {
                "env_vars": {STOP_WAIT_NAME: str(STOP_WAIT_S), "RAY_USAGE_STATS_ENABLED": "0"}
            }
            if config is not None:
                _copy_config(config, Path(folder))
                environment["working_dir"] = folder
            return self._client.submit_job(entrypoint=shlex.join(command), runtime_env=environment)

    def follow(self, submission_id: str, write: Callable[[str], None]) -> JobEnd:
        """Hand on the job's output until it ends.

        Raises:
            ConfigError: there is no such job, or the connection broke; the job goes on.
        """
        with self._explained(submission_id):
            asyncio.run(self._tail(submission_id, write))
            return self.wait(submission_id)

    def wait(self, submission_id: str, timeout_s: float | None = None) -> JobEnd:
        """Wait for the job's end.

        Raises:
            ConfigError: there is no such job, or it did not end in time.
        """
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        with self._explained(submission_id):
            while not (info := self._client.get_job_info(submission_id)).status.is_terminal():
                if deadline_s is not None and time.monotonic() > deadline_s:
                    raise ConfigError(
                        f"job {submission_id}: is {info.status} after {timeout_s:g} s; "
                        "ask again with the same command"
                    )
                time.sleep(POLL_EVERY_S)
        return JobEnd(str(info.status), info.driver_exit_code, info.message or "")

    def stop(self, submission_id: str) -> bool:
        """Ask the job to end; whether it was still running.

        Raises:
            ConfigError: there is no such job.
        """
        with self._explained(submission_id):
            return self._client.stop_job(submission_id)

    async def _tail(self, submission_id: str, write: Callable[[str], None]) -> None:
        async for text in self._client.tail_job_logs(submission_id):
            write(text)

    @contextmanager
    def _explained(self, submission_id: str = "") -> Iterator[None]:
        """Turn Ray's errors, and those of the libraries under it, into one line each."""
        import aiohttp
        from ray.exceptions import AuthenticationError

        try:
            yield
        except AuthenticationError as error:
            raise ConfigError(
                f"{self._address}: the cluster does not accept the token, or there is none; set "
                "RAY_AUTH_TOKEN, or RAY_AUTH_TOKEN_PATH, or write it to ~/.ray/auth_token"
            ) from error
        except (RuntimeError, OSError, ValueError, aiohttp.ClientError) as error:
            raise self._failure(error, submission_id) from error

    def _failure(self, error: Exception, submission_id: str) -> ConfigError:
        text = str(error)
        if submission_id and ("404" in text or "does not exist" in text):
            return ConfigError(
                f"job {submission_id}: {self._address} knows no such job; "
                f"`ray job list --address {self._address}` lists them"
            )
        reason = text.splitlines()[0] if text else type(error).__name__
        return ConfigError(
            f"{self._address}: the cluster cannot be asked: {reason}; --address takes the "
            "address of its dashboard, http://HOST:8265"
        )


def _client(address: str, headers: dict[str, str]) -> "JobSubmissionClient":
    from ray.job_submission import JobSubmissionClient

    with _without_variables(_ADDRESS_VARIABLES):
        return JobSubmissionClient(address, headers=headers)


@contextmanager
def _without_variables(names: Sequence[str]) -> Iterator[None]:
    before = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(before)


def _must_listen(address: str) -> None:
    """Ray's client has no timeout of its own."""
    parts = urlsplit(address)
    if parts.scheme == "ray":
        raise ConfigError(
            f"--address {address}: Ray Client is not supported; give the address of the "
            "dashboard, http://HOST:8265"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"--address {address}: is not like http://HOST:8265")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname, port), CONNECT_TIMEOUT_S).close()
    except OSError as error:
        raise ConfigError(
            f"--address {address}: nobody answers there ({error.strerror or error}); start the "
            "cluster, or forward the port: ssh -L 8265:127.0.0.1:8265 HEAD"
        ) from error


def _copy_config(config: Path, folder: Path) -> None:
    try:
        shutil.copyfile(config, folder / CONFIG_NAME)
    except OSError as error:
        raise ConfigError(f"--config {config}: cannot be read: {error.strerror}") from error
