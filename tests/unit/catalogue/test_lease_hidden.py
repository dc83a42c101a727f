import os

import pytest

from latentsep.catalogue import lease_record
from latentsep.catalogue.lease_record import Holder


@pytest.fixture
def hidden_proc(tmp_path, monkeypatch):
    """A /proc that shows no process but this one, as with the mount option hidepid."""
    (tmp_path / "sys/kernel/random").mkdir(parents=True)
    (tmp_path / "sys/kernel/random/boot_id").write_text("boot\n")
    (tmp_path / "self/ns").mkdir(parents=True)
    (tmp_path / "self/ns/pid").symlink_to("pid:[1]")
    monkeypatch.setattr(lease_record, "_PROC", tmp_path)


@pytest.mark.parametrize(
    ("error", "is_gone"), [(PermissionError, False), (ProcessLookupError, True)]
)
def test_the_hidden_process_of_another_user_is_not_taken_for_gone(
    hidden_proc, monkeypatch, error, is_gone
):
    def kill(pid, number):
        raise error

    monkeypatch.setattr(os, "kill", kill)
    here = Holder.of_this_process()
    holder = Holder(here.host, 4242, 1, here.boot_id, here.pid_namespace, "job")
    assert holder.is_gone is is_gone
