import importlib.util
import json
import re
import tomllib
from pathlib import Path

import jsonschema
import pytest
import yaml
from packaging.requirements import Requirement

from latentsep.pipeline.job_config import JobConfig, read_job_config
from latentsep.pipeline.submission import STOP_WAIT_NAME
from latentsep.version import __version__

ROOT = Path(__file__).parents[2]
CLUSTER = ROOT / "cluster"
CONFIGS = sorted((ROOT / "configs/separate").glob("*.yaml"))
YAML_FILES = sorted(CLUSTER.rglob("*.yaml"))
DOCKERFILE = (CLUSTER / "Dockerfile").read_text()
LONGEST_STOP_S = 20
"""What a stopped job takes at most until its last commit."""


def documents(path):
    return list(yaml.safe_load_all(path.read_text()))


def of_kind(kind):
    (found,) = (d for d in documents(CLUSTER / "kuberay/rayjob.yaml") if d["kind"] == kind)
    return found


def walk(value, name=""):
    """All (key, value) pairs below a value."""
    yield name, value
    if isinstance(value, dict):
        for key, below in value.items():
            yield from walk(below, key)
    if isinstance(value, list):
        for below in value:
            yield from walk(below, name)


@pytest.fixture(scope="module")
def job():
    return of_kind("RayJob")["spec"]


@pytest.fixture(scope="module")
def pods(job):
    """Specs of the pods by what they are."""
    ray = job["rayClusterSpec"]
    workers = {group["groupName"]: group["template"] for group in ray["workerGroupSpecs"]}
    templates = {
        "submitter": job["submitterPodTemplate"], "head": ray["headGroupSpec"]["template"],
    } | workers  # fmt: skip
    return {name: template["spec"] for name, template in templates.items()}


@pytest.mark.parametrize("path", YAML_FILES, ids=lambda path: path.name)
def test_yaml_files_hold_mappings(path):
    assert all(isinstance(document, dict) for document in documents(path))


@pytest.mark.parametrize("path", YAML_FILES, ids=lambda path: path.name)
def test_nothing_is_opened_to_the_world(path):
    for name, value in walk(documents(path)):
        assert name not in ("hostNetwork", "hostPort", "nodePort", "hostPath"), name
        assert value not in ("LoadBalancer", "NodePort"), name
    assert not any(document.get("kind") == "Ingress" for document in documents(path))


def test_the_ray_version_is_one_everywhere_and_one_we_work_with(job):
    built_with = re.search(r"^ARG RAY_VERSION=(\S+)$", DOCKERFILE, re.MULTILINE)[1]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (allowed,) = (r for r in map(Requirement, project["dependencies"]) if r.name == "ray")
    assert built_with in allowed.specifier
    assert job["rayClusterSpec"]["rayVersion"] == built_with


def test_images_have_the_version_of_the_code(pods):
    images = {container["image"] for pod in pods.values() for container in pod["containers"]}
    docker = documents(CLUSTER / "ray-up/aws.yaml")[0]["docker"]
    images |= {docker["image"], docker["head_image"], docker["worker_image"]}
    wanted = {f"REGISTRY/latentsep:{__version__}", f"REGISTRY/latentsep:{__version__}-gpu"}
    assert images == wanted
    assert all(image in DOCKERFILE for image in wanted)


def test_the_image_is_built_of_files_that_are_there():
    copied = re.findall(r"^COPY (.+) \S+$", DOCKERFILE, re.MULTILINE)
    sources = [source for line in copied for source in line.split()]
    assert "cluster/kuberay/entrypoint.py" in sources
    assert "constraints.txt" in sources
    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert "--constraint constraints.txt" in DOCKERFILE


def test_the_image_does_not_run_as_root():
    assert re.findall(r"^USER (.+)$", DOCKERFILE, re.MULTILINE) == ["1000:1000"]


def test_the_job_is_retried_and_cleaned_up(job):
    assert job["backoffLimit"] > 0
    assert job["shutdownAfterJobFinishes"] is True
    assert job["rayClusterSpec"]["authOptions"] == {"mode": "token"}


def test_the_entrypoint_is_in_the_image_and_so_is_its_config(job):
    python, entrypoint, manifest, *options = job["entrypoint"].split()
    assert (python, entrypoint) == ("python", "/opt/latentsep/entrypoint.py")
    assert manifest.startswith("s3://")
    given = dict(zip(options[::2], options[1::2], strict=True))
    assert given["--address"] == "auto"
    config = Path(given["--config"]).relative_to("/opt/latentsep")
    assert ROOT / config in CONFIGS


def test_the_head_does_no_work_and_stays(job, pods):
    head = job["rayClusterSpec"]["headGroupSpec"]
    assert head["rayStartParams"]["num-cpus"] == "0"
    assert head["serviceType"] == "ClusterIP"
    assert "ON_DEMAND" in pods["head"]["nodeSelector"].values()
    assert "SPOT" in pods["gpu-spot"]["nodeSelector"].values()


def test_a_stopped_job_has_the_time_to_commit(pods):
    (container,) = pods["head"]["containers"]
    (stop_wait_s,) = (int(e["value"]) for e in container["env"] if e["name"] == STOP_WAIT_NAME)
    assert LONGEST_STOP_S < stop_wait_s < pods["head"]["terminationGracePeriodSeconds"]
    hook = container["lifecycle"]["preStop"]["exec"]["command"]
    assert hook == ["python", "/opt/latentsep/entrypoint.py", "--stop"]
    assert "terminationGracePeriodSeconds" in pods["gpu-spot"]


def test_pods_have_no_more_rights_than_they_need(pods):
    for pod in pods.values():
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] == 1000
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]},
            }  # fmt: skip
    assert "serviceAccountName" not in pods["submitter"]


def test_pods_ask_for_what_they_may_use(pods):
    for pod in pods.values():
        for container in pod["containers"]:
            assert container["resources"]["requests"] == container["resources"]["limits"]
    (worker,) = pods["gpu-spot"]["containers"]
    assert worker["resources"]["limits"]["nvidia.com/gpu"] == 1


@pytest.mark.parametrize("name", ["head", "gpu-spot"])
def test_shared_memory_holds_the_object_store(job, pods, name):
    ray = job["rayClusterSpec"]
    group = ray["headGroupSpec"] if name == "head" else ray["workerGroupSpecs"][0]
    (container,), volumes = pods[name]["containers"], pods[name]["volumes"]
    (shm,) = (m["name"] for m in container["volumeMounts"] if m["mountPath"] == "/dev/shm")
    (volume,) = (v["emptyDir"] for v in volumes if v["name"] == shm)
    assert volume == {"medium": "Memory", "sizeLimit": "1Gi"}
    assert int(group["rayStartParams"]["object-store-memory"]) < 1024**3


def test_the_network_policy_holds_for_all_pods_of_the_job(job):
    (policy,) = documents(CLUSTER / "networkpolicy.yaml")
    chosen = policy["spec"]["podSelector"]["matchLabels"]
    ray = job["rayClusterSpec"]
    templates = [job["submitterPodTemplate"], ray["headGroupSpec"]["template"]]
    templates += [group["template"] for group in ray["workerGroupSpecs"]]
    assert [template["metadata"]["labels"] for template in templates] == [chosen] * 3
    assert policy["metadata"]["namespace"] == of_kind("RayJob")["metadata"]["namespace"]
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert all(rule["from"] for rule in policy["spec"]["ingress"])


def test_the_role_reads_sources_and_writes_the_output_alone():
    statements = json.loads((CLUSTER / "aws/iam-policy.json").read_text())["Statement"]
    allowed = {}
    for statement in statements:
        assert statement["Effect"] == "Allow"
        actions = statement["Action"]
        actions = {actions} if isinstance(actions, str) else set(actions)
        allowed.setdefault(statement["Resource"], set()).update(actions)
    assert allowed == {
        "arn:aws:s3:::SOURCE-BUCKET": {"s3:ListBucket"},
        "arn:aws:s3:::SOURCE-BUCKET/SOURCE-PREFIX/*": {"s3:GetObject"},
        "arn:aws:s3:::OUT-BUCKET": {"s3:ListBucket"},
        "arn:aws:s3:::OUT-BUCKET/OUT-PREFIX/*": {
            "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload",
        },
    }  # fmt: skip


@pytest.fixture(scope="module")
def ray_up():
    return documents(CLUSTER / "ray-up/aws.yaml")[0]


def test_ray_accepts_the_file_of_ray_up(ray_up):
    package = importlib.util.find_spec("ray").submodule_search_locations[0]
    schema = json.loads(Path(package, "autoscaler/ray-schema.json").read_text())
    jsonschema.validate(ray_up, schema)


def test_ray_up_wants_a_token_and_gives_the_job_time(ray_up):
    assert "--env RAY_AUTH_MODE=token" in ray_up["docker"]["run_options"]
    assert f"--env {STOP_WAIT_NAME}=60" in ray_up["docker"]["run_options"]
    assert "~/.ray/auth_token" in ray_up["file_mounts"]


def test_ray_up_has_no_public_address_and_none_of_rays_wide_defaults(ray_up):
    assert ray_up["provider"]["use_internal_ips"] is True
    assert "--dashboard-host=127.0.0.1" in " ".join(ray_up["head_start_ray_commands"])
    for node in ray_up["available_node_types"].values():
        # Ray makes what is missing: SSH from anywhere; all of EC2 and S3.
        assert {"SecurityGroupIds", "SubnetIds", "IamInstanceProfile"} <= node["node_config"].keys()
        assert node["node_config"]["MetadataOptions"]["HttpTokens"] == "required"
    # By default Ray would install a nightly build of itself.
    for name in ("setup_commands", "head_setup_commands", "worker_setup_commands"):
        assert ray_up[name] == []


def test_ray_up_keeps_the_head_free_of_work(ray_up):
    head = ray_up["available_node_types"][ray_up["head_node_type"]]
    assert head["resources"] == {"CPU": 0}
    spot = ray_up["available_node_types"]["gpu-spot"]
    assert spot["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    assert spot["min_workers"] == spot["max_workers"] == ray_up["max_workers"]


def test_there_are_configs_for_three_places():
    assert [path.stem for path in CONFIGS] == ["gpu", "laptop", "spot"]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_config_says_only_what_differs_from_the_default(path):
    config, default = read_job_config(path).model_dump(), JobConfig().model_dump()
    for group, keys in yaml.safe_load(path.read_text()).items():
        for key in keys:
            assert config[group][key] != default[group][key], f"{group}.{key}"
