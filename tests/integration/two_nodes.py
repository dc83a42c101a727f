"""A Ray cluster of a head and two nodes on loopback: ``python two_nodes.py NODE_CPUS``.

Prints its address and waits for lines on stdin: ``kill`` ends one node at once, as a power cut
would. The end of stdin ends all of it.
"""

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path


def serve(node_cpus):
    # Ray reads these when it is imported.
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True,
        head_node_args={
            "num_cpus": 1,
            "object_store_memory": 100 * 2**20,
            "include_dashboard": False,
        },
    )
    nodes = [
        cluster.add_node(num_cpus=node_cpus, object_store_memory=100 * 2**20) for _ in range(2)
    ]
    _tell(address=cluster.address)
    for line in sys.stdin:
        if line.strip() == "kill" and nodes:
            cluster.remove_node(nodes.pop(), allow_graceful=False)
            _tell(nodes=len(nodes))
    cluster.shutdown()


def _tell(**news):
    sys.stdout.write(json.dumps(news) + "\n")
    sys.stdout.flush()


class TwoNodes:
    """The running cluster as a test sees it."""

    def __init__(self, process, address):
        self._process = process
        self.address = address

    def kill_one(self):
        self._process.stdin.write("kill\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())["nodes"]


@contextmanager
def two_nodes(node_cpus=2):
    """Start the cluster in a process of its own, with this process's environment."""
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled", "RAY_BACKEND_LOG_LEVEL": "fatal"}
    with subprocess.Popen(
        [sys.executable, Path(__file__), str(node_cpus)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    ) as process:
        try:
            line = process.stdout.readline()
            assert line, "the cluster did not start"
            yield TwoNodes(process, json.loads(line)["address"])
        finally:
            process.stdin.close()
            process.wait(timeout=60)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
