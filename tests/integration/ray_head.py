"""A Ray head of its own on loopback, with token authentication; stopped by its process ids."""

import os
import subprocess
import sysconfig
import time
from pathlib import Path

import psutil
from s3_server import free_ports, is_listening

RAY = str(Path(sysconfig.get_path("scripts"), "ray"))
TOKEN = "token-of-this-test-" + "0" * 32
START_S, STOP_S = 300, 15
ENVIRONMENT = {
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": TOKEN,
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DISABLE_DOCKER_CPU_WARNING": "1",
}


class RayHead:
    """``address`` is the dashboard; its files lie below ``folder``, whose path must be short.

    ``settings`` are further variables of its environment.
    """

    def __init__(self, folder, **settings):
        self.folder = Path(folder)
        self.environment = {**ENVIRONMENT, **settings}
        self.gcs, self.dashboard, *self._others = free_ports(6)
        self.address = f"http://127.0.0.1:{self.dashboard}"
        self._process = None

    @property
    def gcs_address(self):
        return f"127.0.0.1:{self.gcs}"

    def __enter__(self):
        agent, agent_grpc, metrics, client = self._others
        command = [
            RAY, "start", "--head", "--block", "--node-ip-address=127.0.0.1", f"--port={self.gcs}",
            "--dashboard-host=127.0.0.1", f"--dashboard-port={self.dashboard}",
            f"--dashboard-agent-listen-port={agent}",
            f"--dashboard-agent-grpc-port={agent_grpc}", f"--metrics-export-port={metrics}",
            f"--ray-client-server-port={client}", "--num-cpus=2", "--disable-usage-stats",
            f"--object-store-memory={100 * 1024**2}", f"--temp-dir={self.folder}",
        ]  # fmt: skip
        with (self.folder / "start.log").open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                env=self._all_of_it(),
                start_new_session=True,
            )
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        ours = [*psutil.Process(self._process.pid).children(recursive=True)]
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for process in ours:
            if process.is_running():
                process.kill()
        psutil.wait_procs(ours, timeout=STOP_S)

    def _wait(self):
        deadline_s = time.monotonic() + START_S
        while not (is_listening(self.dashboard) and is_listening(self._others[0])):
            log = (self.folder / "start.log").read_text(errors="replace")[-3000:]
            assert self._process.poll() is None, f"ray start ended: {log}"
            assert time.monotonic() < deadline_s, f"Ray is not up after {START_S} s: {log}"
            time.sleep(0.1)

    def _all_of_it(self):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        return {**kept, **self.environment}
