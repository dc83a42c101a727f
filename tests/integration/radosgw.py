"""A real S3 server on loopback: Debian's Ceph as one monitor, one disk in a sparse file, radosgw.

Nothing is installed or configured outside the folder, and every process is stopped by its id.
"""

import json
import os
import shutil
import subprocess
import time
import uuid
from pathlib import Path

from s3_server import ACCESS_KEY, SECRET_KEY, free_port, free_ports, is_listening

PACKAGES = "ceph-mon ceph-osd radosgw"
PROGRAMS = [
    "ceph", "ceph-authtool", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin",
]  # fmt: skip
START_S = 90
COMMAND_S = 60
CONFIG = """[global]
fsid = {fsid}
mon_host = {monitors}
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
keyring = {folder}/$name.keyring
mon_data = {folder}/mon
osd_data = {folder}/osd
run_dir = {folder}
log_file = {folder}/$name.log
admin_socket = {folder}/$name.asok
pid_file = {folder}/$name.pid
mon_data_avail_crit = 1
osd_pool_default_size = 1
osd_pool_default_min_size = 1
mon_allow_pool_size_one = true
osd_pool_default_pg_num = 4
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
osd_objectstore = bluestore
bluestore_block_size = 4294967296
osd_memory_target = 939524096
rgw_frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay=1
[mon]
keyring = {folder}/mon.keyring
[osd]
keyring = {folder}/osd/keyring
"""


class RadosGateway:
    """Monitor, disk and gateway below one folder; ``url`` is the S3 endpoint."""

    def __init__(self, folder):
        missing = [program for program in PROGRAMS if shutil.which(program) is None]
        assert not missing, (
            f"these tests need a real S3 server, but {', '.join(missing)} cannot be found; "
            f"as root: apt-get update && apt-get install -y --no-install-recommends {PACKAGES}"
        )
        self.folder = Path(folder)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._processes = {}

    def __enter__(self):
        try:
            self._start_monitor()
            self._start_disk()
            self._run("ceph", "auth", "get-or-create", "client.rgw", "mon", "allow rw", "osd",
                      "allow rwx", "-o", self.folder / "client.rgw.keyring")  # fmt: skip
            self.start_gateway()
            self.add_user("test", ACCESS_KEY, SECRET_KEY)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        # Killed: an orderly end takes 8 s, and the data are thrown away.
        for name in ("radosgw", "ceph-osd", "ceph-mon"):
            self._kill(name)

    def start_gateway(self):
        """Start radosgw and wait until it answers."""
        self._spawn("radosgw", "-f", "-n", "client.rgw")
        self._wait_for("radosgw", lambda: is_listening(self.port))

    def add_user(self, name, access_key, secret_key):
        """Add a user who may make buckets."""
        self._run("radosgw-admin", "user", "create", f"--uid={name}", f"--display-name={name}",
                  f"--access-key={access_key}", f"--secret-key={secret_key}")  # fmt: skip

    def kill_gateway(self):
        """SIGKILL, as a crash or an out-of-memory kill would."""
        self._kill("radosgw")

    def _start_monitor(self):
        fsid, monitors = str(uuid.uuid4()), self._monitors()
        text = CONFIG.format(fsid=fsid, monitors=monitors, folder=self.folder, port=self.port)
        (self.folder / "ceph.conf").write_text(text)
        (self.folder / "osd").mkdir()
        keys, admin = self.folder / "mon.keyring", self.folder / "client.admin.keyring"
        make_key = ("ceph-authtool", "--create-keyring")
        self._run("monmaptool", "--create", "--fsid", fsid, "--addv", "a", monitors, self._monmap)
        self._run(*make_key, keys, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
        self._run(*make_key, admin, "--gen-key", "-n", "client.admin", "--cap", "mon", "allow *",
                  "--cap", "osd", "allow *", "--cap", "mgr", "allow *")  # fmt: skip
        self._run("ceph-authtool", keys, "--import-keyring", admin)
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", self._monmap, "--keyring", keys)
        self._spawn("ceph-mon", "-f", "-i", "a")

    def _start_disk(self):
        secret, osd_id = self._run("ceph-authtool", "--gen-print-key").strip(), str(uuid.uuid4())
        self._run(
            "ceph", "osd", "new", osd_id, "-i", "-", stdin=json.dumps({"cephx_secret": secret})
        )
        (self.folder / "osd" / "keyring").write_text(f"[osd.0]\n\tkey = {secret}\n")
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd_id)
        self._spawn("ceph-osd", "-f", "-i", "0")

    @property
    def _monmap(self):
        return self.folder / "monmap"

    def _monitors(self):
        first, second = free_ports(2)
        return f"[v2:127.0.0.1:{first},v1:127.0.0.1:{second}]"

    @property
    def _environment(self):
        return {**os.environ, "CEPH_CONF": str(self.folder / "ceph.conf")}

    def _run(self, *command, stdin=""):
        try:
            done = subprocess.run(
                [str(word) for word in command], env=self._environment, input=stdin, text=True,
                capture_output=True, timeout=COMMAND_S, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise AssertionError(
                f"{command} took over {COMMAND_S} s\n{self._log_tails()}"
            ) from error
        assert done.returncode == 0, f"{command}: {done.stderr[-2000:]}\n{self._log_tails()}"
        return done.stdout

    def _spawn(self, program, *words):
        with (self.folder / f"{program}.out").open("ab") as log:
            self._processes[program] = subprocess.Popen(
                [program, *words], env=self._environment, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log,
            )  # fmt: skip

    def _wait_for(self, program, condition):
        deadline_s = time.monotonic() + START_S
        while not condition():
            code = self._processes[program].poll()
            assert code is None, f"{program} ended with code {code}\n{self._log_tails()}"
            assert time.monotonic() < deadline_s, (
                f"{program} is not ready after {START_S} s\n{self._log_tails()}"
            )
            time.sleep(0.1)

    def _kill(self, program):
        if (process := self._processes.pop(program, None)) is not None:
            process.kill()
            process.wait()

    def _log_tails(self):
        logs = [*self.folder.glob("*.log"), *self.folder.glob("*.out")]
        return "\n".join(
            f"--- {log.name}\n{log.read_text(errors='replace')[-1500:]}" for log in logs
        )
