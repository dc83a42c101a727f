import json

from click.testing import CliRunner

from latentsep.cli.main import cli


def invoke(*arguments):
    return CliRunner().invoke(cli, ["doctor", *map(str, arguments)])


def test_a_good_machine_and_output_end_with_0(tmp_path, model_folder):
    done = invoke(tmp_path / "out", "-n", model_folder)
    assert done.exit_code == 0, done.output
    assert "ok      decoder: " in done.stdout
    assert "ok      output: conditional writes: " in done.stdout


def test_a_failure_ends_with_1_and_says_the_fix(tmp_path):
    done = invoke(tmp_path / "out", "-n", "no-such-model")
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    (place,) = [number for number, line in enumerate(lines) if line.startswith("failed  model: ")]
    assert lines[place + 1].startswith("        fix: ")


def test_json_lists_every_check(tmp_path, model_folder):
    done = invoke(tmp_path / "out", "-n", model_folder, "--output", "json")
    checks = json.loads(done.stdout)
    assert done.exit_code == 0
    assert {tuple(check) for check in checks} == {("name", "state", "what", "fix")}
    assert {"python", "ray", "gpu", "clock"} <= {check["name"] for check in checks}


def test_a_cluster_that_cannot_be_reached_ends_with_1(model_folder):
    done = invoke("-n", model_folder, "--address", "ray://head:10001")
    assert done.exit_code == 1
    assert "latentsep submit" in done.stdout
