"""Checks of Ray: authentication, and whether a cluster can be joined."""

import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from latentsep.errors import ConfigError
from latentsep.pipeline.doctor import Check
from latentsep.pipeline.submission import ClusterJobs, auth_token

JOIN_TIMEOUT_S = 60.0
CONNECT_TIMEOUT_S = 10.0
# A child: a failed join can end the whole process.
_JOIN = """
import logging, sys, ray
ray.init(address=sys.argv[1], log_to_driver=False, logging_level=logging.ERROR)
found = ray.cluster_resources()
print(f"{found.get('CPU', 0):g} CPUs and {found.get('GPU', 0):g} GPUs")
"""


def ray_checks(address: str | None, environment: Mapping[str, str]) -> list[Check]:
    """Authentication, and the cluster if an address is given."""
    checks = [check_auth(environment)]
    if address is not None:
        checks.append(check_address(address, environment))
    return checks


def check_auth(environment: Mapping[str, str]) -> Check:
    """Token authentication is on, and a token is there."""
    name = "ray: authentication"
    mode = environment.get("RAY_AUTH_MODE", "").lower()
    try:
        token = auth_token(environment)
    except ConfigError as error:
        return Check(name, "failed", str(error), "correct or unset RAY_AUTH_TOKEN_PATH")
    make_one = "`ray get-auth-token --generate` makes one"
    if mode == "disabled":
        return Check(
            name, "warning", "RAY_AUTH_MODE=disabled: who reaches the ports runs any code",
            f"set RAY_AUTH_MODE=token on every machine; {make_one}",
        )  # fmt: skip
    if mode == "token" and token is None:
        return Check(name, "failed", "RAY_AUTH_MODE=token, but there is no token", make_one)
    if mode != "token":
        return Check(
            name, "ok",
            f"RAY_AUTH_MODE is not set, {'a' if token else 'no'} token found; a cluster of this "
            "process alone makes its own. For a cluster of several machines set it to token",
        )  # fmt: skip
    return Check(name, "ok", "by token, and there is one")


def check_address(address: str, environment: Mapping[str, str]) -> Check:
    """A cluster answers at an address: auto, HOST:PORT, or http://HOST:PORT of its dashboard."""
    name = "ray: cluster"
    if address.startswith("ray://"):
        return Check(
            name, "failed", f"{address}: Ray Client is not supported",
            "send the job with `latentsep submit --address http://HOST:8265`",
        )  # fmt: skip
    if address.startswith(("http://", "https://")):
        try:
            ClusterJobs(address, auth_token(environment))
        except ConfigError as error:
            return Check(name, "failed", str(error), "see `latentsep submit --help`")
        return Check(name, "ok", f"{address} takes jobs")
    if address != "auto" and (problem := _unreachable(address)):
        return Check(name, "failed", problem, "start it with `ray start --head`, or open its port")
    return _join(name, address)


def _unreachable(address: str) -> str | None:
    parts = urlsplit(f"//{address}")
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or port is None:
        return f"{address}: is neither auto, HOST:PORT nor http://HOST:PORT"
    try:
        socket.create_connection((host, port), CONNECT_TIMEOUT_S).close()
    except OSError as error:
        return f"{address}: nobody answers there ({error.strerror or error})"
    return None


def _join(name: str, address: str) -> Check:
    fix = "start a cluster with `ray start --head`; the token and the Ray version must be its own"
    try:
        done = subprocess.run(
            [sys.executable, "-c", _JOIN, address],
            capture_output=True, text=True, timeout=JOIN_TIMEOUT_S, check=False,
            cwd=Path(__file__).parents[2],
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Check(name, "failed", f"{address}: no answer in {JOIN_TIMEOUT_S:g} s", fix)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        reason = lines[-1] if lines else f"exit code {done.returncode}"
        return Check(name, "failed", f"{address}: cannot be joined: {reason}", fix)
    return Check(name, "ok", f"{address}: {done.stdout.strip()}")
