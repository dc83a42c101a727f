import pytest

from latentsep.audio.folders import make_writable
from latentsep.errors import ConfigError


def test_an_output_folder_is_made_and_left_empty(tmp_path):
    make_writable(tmp_path / "deep/er")
    assert list((tmp_path / "deep/er").iterdir()) == []


@pytest.mark.parametrize("name", ["file", "file/below", "a" * 300])
def test_an_output_folder_that_cannot_be_is_refused(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"output folder .* cannot be written: .*another with -o"):
        make_writable(tmp_path / name)


def test_a_file_in_its_place_is_named_so(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be written: it is a file; take another"):
        make_writable(tmp_path / "file")
