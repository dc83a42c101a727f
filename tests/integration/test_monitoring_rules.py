"""The rules, by Prometheus' own tool."""

import subprocess

import pytest
from command_line import need
from monitoring_files import MONITORING, RULE_FILES

pytestmark = pytest.mark.integration
RULE_TESTS = sorted((MONITORING / "tests").glob("*.yml"))


def promtool(*arguments):
    command = [need("promtool"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_rules_are_valid():
    promtool("check", "rules", "--lint-fatal", *RULE_FILES)


def test_the_configuration_is_valid():
    promtool("check", "config", MONITORING / "prometheus.yml")


@pytest.mark.parametrize("path", RULE_TESTS, ids=lambda path: path.stem)
def test_rules_give_what_they_are_for_and_alerts_fire_when_they_should(path):
    promtool("test", "rules", path)


def test_alertmanagers_configuration_is_valid():
    command = [need("amtool"), "check-config", MONITORING / "alertmanager.yml"]
    subprocess.run(command, check=True, capture_output=True)
