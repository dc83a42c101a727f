"""Prometheus, Alertmanager and the node exporter of Debian, on loopback; stopped by their ids."""

import json
import math
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager

import yaml
from command_line import LONGEST_S, need
from monitoring_files import MONITORING, read_yaml
from s3_server import free_ports

STOP_S = 30


class Server:
    """A running server; ``url`` is where it answers."""

    def __init__(self, url):
        self.url = url

    def get(self, path, **parameters):
        """The JSON document at a path; an answer that refuses has one too."""
        query = urllib.parse.urlencode(parameters)
        try:
            with urllib.request.urlopen(f"{self.url}{path}?{query}", timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return json.load(error)

    def numbers(self, expression):
        """Values of an instant query that are numbers; an error of the query fails the test."""
        answer = self.get("/api/v1/query", query=expression)
        assert answer["status"] == "success", f"{expression}: {answer}"
        values = [float(series["value"][1]) for series in answer["data"]["result"]]
        return [value for value in values if not math.isnan(value)]


@contextmanager
def running(command, port, ready, log):
    """Start a server and wait until ``ready`` is answered."""
    server = Server(f"http://127.0.0.1:{port}")
    with log.open("wb") as file, subprocess.Popen(command, stdout=file, stderr=file) as process:
        try:
            deadline_s = time.monotonic() + LONGEST_S
            while not _answers(server.url + ready):
                told = log.read_text(errors="replace")[-3000:]
                assert process.poll() is None, f"{command[0]} ended: {told}"
                assert time.monotonic() < deadline_s, f"{command[0]} does not answer: {told}"
                time.sleep(0.05)
            yield server
        finally:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _answers(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


@contextmanager
def prometheus(folder, *, driver_port, ray_list, node_port, alertmanager_port):
    """Prometheus with the committed file; only targets, paths and intervals are replaced."""
    config = read_yaml("prometheus.yml")
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    (managers,) = config["alerting"]["alertmanagers"]
    managers["static_configs"] = _targets(alertmanager_port)
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    jobs["latentsep"]["static_configs"] = _targets(driver_port)
    jobs["node"]["static_configs"] = _targets(node_port)
    jobs["ray"]["file_sd_configs"] = [{"files": [str(ray_list)], "refresh_interval": "1s"}]
    folder.mkdir()
    shutil.copytree(MONITORING / "rules", folder / "rules")
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    (port,) = free_ports(1)
    command = [
        need("prometheus"), f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    with running(command, port, "/-/ready", folder / "prometheus.log") as server:
        yield server


@contextmanager
def alertmanager(folder, port, webhook_port):
    """Alertmanager with the committed file; only the address of its receivers is replaced."""
    folder.mkdir()
    text = (MONITORING / "alertmanager.yml").read_text()
    (folder / "alertmanager.yml").write_text(
        text.replace("http://127.0.0.1:9099/", f"http://127.0.0.1:{webhook_port}/")
    )
    command = [
        need("prometheus-alertmanager"), f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]  # fmt: skip
    with running(command, port, "/-/ready", folder / "alertmanager.log") as server:
        yield server


@contextmanager
def node_exporter(folder, port):
    command = [need("prometheus-node-exporter"), f"--web.listen-address=127.0.0.1:{port}"]
    with running(command, port, "/metrics", folder / "node.log") as server:
        yield server


def _targets(port):
    return [{"targets": [f"127.0.0.1:{port}"]}]
