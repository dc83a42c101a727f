"""What tests on an S3 server share: credentials, free ports, settings that fail fast."""

import os
import socket
from contextlib import ExitStack, contextmanager

from latentsep.storage import RetryPolicy, S3Settings, StoreSettings

ACCESS_KEY = "testkey"
SECRET_KEY = "testsecret"
MIB = 1024 * 1024


def free_ports(count):
    """Ports that nothing listens on, all different."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def free_port():
    return free_ports(1)[0]


def is_listening(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def settings_for(endpoint_url, **changes):
    retry = RetryPolicy(attempts=4, first_pause_s=0.01, longest_pause_s=0.05, total_s=20)
    values = {
        "endpoint_url": endpoint_url, "region": "us-east-1", "read_timeout_s": 20,
        "part_bytes": 5 * MIB, "retry": retry,
    }  # fmt: skip
    return StoreSettings(s3=S3Settings(**{**values, **changes}))


@contextmanager
def credentials():
    """Those of the test servers, and none of the machine's own."""
    ours = {
        "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }  # fmt: skip
    before = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    for name in before:
        del os.environ[name]
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)
        os.environ.update(before)
