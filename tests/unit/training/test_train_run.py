import numpy as np
import pytest
import soundfile
import torch
import yaml
from tiny_models import CONFIG, RATE_HZ, noise_waveform, tiny_model
from tiny_training import TRAINING, random_song, tiny_pool, tiny_train_config

from latentsep.errors import ConfigError
from latentsep.models.folder import CARD_FILE, load_model, save_model
from latentsep.separation.separator import Separator
from latentsep.training.card import model_card
from latentsep.training.config import TrainConfig
from latentsep.training.loop import Progress
from latentsep.training.run import free_cores, read_train_config, train


@pytest.fixture
def data_folder(tmp_path):
    """One song of two seconds."""
    folder = tmp_path / "data" / "songs" / "one"
    folder.mkdir(parents=True)
    song = random_song(0, 16_000)
    soundfile.write(folder / "vocals.wav", song.vocals.T, RATE_HZ)
    soundfile.write(folder / "band.wav", song.accompaniment.T, RATE_HZ)
    return tmp_path / "data"


def test_a_training_ends_with_a_model_that_separates(data_folder, tmp_path):
    config = tiny_train_config(data={"songs": ["songs/one"]}, duration_s=0.5)
    train(config, data_folder, tmp_path / "run", tmp_path / "model")
    separator = Separator.from_pretrained(tmp_path / "model")
    assert separator.model.config == config.model
    vocals = separator.separate(noise_waveform(0, 3_000), RATE_HZ).vocals
    assert np.isfinite(vocals).all()
    assert vocals.any()
    assert "- songs/one\n" in (tmp_path / "model" / CARD_FILE).read_text("utf-8")


@pytest.mark.parametrize("crop_frames", [1, 30, 33])
def test_a_crop_the_network_cannot_take_is_refused_before_any_work(
    data_folder, tmp_path, crop_frames
):
    config = tiny_train_config(data={"songs": ["songs/one"]}, crop_frames=crop_frames)
    with pytest.raises(ConfigError, match="crop_frames"):
        train(config, data_folder, tmp_path / "run", tmp_path / "model")


LEVELS = {
    "widths": [8, 12],
    "blocks": [1, 1],
    "bottom_channels": 12,
    "bottom_dilations": [1],
    "step_channels": 8,
}
POSTERIOR = {
    **CONFIG,
    "network": {
        "name": "posterior_unet2d",
        "options": {
            **LEVELS,
            "planes": [32, 16],
            "band_bins": 4,
            "generator_widths": [8, 8],
            "generator_blocks": [1, 1],
            "generator_bottom_channels": 8,
        },
    },
    "objective": {"name": "v"},
    "sampling": {"sampler": "ddim"},
}


@pytest.fixture
def separating_network(tmp_path):
    """A model folder with a unet2d that has the levels of ``POSTERIOR``'s conditioner."""
    options = {**LEVELS, "planes": [32, 16], "band_bins": 4}
    config = {**CONFIG, "network": {"name": "unet2d", "options": options}}
    save_model(tmp_path / "separating", tiny_model(**config), "card")
    return str(tmp_path / "separating")


def test_a_conditioner_begins_with_the_levels_of_a_network_that_separates(
    data_folder, tmp_path, separating_network
):
    config = tiny_train_config(
        model=POSTERIOR,
        data={"songs": ["songs/one"]},
        duration_s=1e-3,
        learning_rate=1e-9,
        conditioner_from=separating_network,
    )
    train(config, data_folder, tmp_path / "run", tmp_path / "model")
    given = load_model(separating_network).network.state_dict()
    begun = load_model(str(tmp_path / "model")).network.conditioner.state_dict()
    inside = [name for name in given if not name.startswith(("stem.", "head."))]
    assert inside
    for name in inside:
        torch.testing.assert_close(begun[name], given[name], rtol=1e-2, atol=1e-3)


def test_a_conditioner_that_cannot_begin_is_refused(data_folder, tmp_path, separating_network):
    wider = {**POSTERIOR["network"]["options"], "widths": [8, 16]}
    network = {"name": "posterior_unet2d", "options": wider}
    for model, part in (
        (CONFIG, "that of the training is UNet1d"),
        ({**POSTERIOR, "network": network}, "same sizes"),
    ):
        config = tiny_train_config(
            model=model, data={"songs": ["songs/one"]}, conditioner_from=separating_network
        )
        with pytest.raises(ConfigError, match=part):
            train(config, data_folder, tmp_path / "run", tmp_path / "model")


def test_the_card_names_its_sources_and_its_training():
    config = tiny_train_config(
        data={
            "songs": ["songs/one"],
            "vocals": ["voices/*.flac"],
            "accompaniment": ["bands/*.flac"],
            "impulse_responses": ["rooms/*.wav"],
        }
    )
    card = model_card(config, Progress(step=1_234, elapsed_s=5_400, skipped_steps=5), tiny_pool())
    assert card.startswith("# tiny\n")
    for part in (
        "- songs/one",
        "- voices/*.flac",
        "- bands/*.flac",
        "- rooms/*.wav",
        "CC0-1.0",
        "`mdct`",
        "`unet1d`",
        "`bridge`",
        "1.50 hours",
        "1234 steps of 4 examples",
        "5 steps skipped",
        "2 recorded songs",
    ):
        assert part in card


def test_the_card_of_generated_data_alone_says_that_nothing_was_recorded():
    card = model_card(tiny_train_config(), Progress(), tiny_pool(recorded=[]))
    assert "- none" in card


def test_the_recipe_in_a_card_is_the_training_file_again():
    config = tiny_train_config(
        data={"songs": ["songs/one"], "sources": ["one (CC0-1.0)"]},
        validation={"songs": ["songs/two"], "generated_songs": {"rich": 3}},
    )
    card = model_card(config, Progress(), tiny_pool())
    recipe = yaml.safe_load(card.split("```yaml\n")[1].split("```")[0])
    recipe["data"]["sources"] = config.data.sources
    assert TrainConfig.model_validate(recipe) == config
    assert "- one (CC0-1.0)\n" in card
    assert "not trained on: `songs/two`, 3 rich generated." in card


def test_a_card_says_what_is_unknown_what_fails_and_what_a_model_is_not_for():
    card = model_card(tiny_train_config(), Progress(), tiny_pool())
    headings = [line for line in card.splitlines() if line.startswith("## ")]
    assert headings == [
        "## Quality", "## Failure modes", "## Must not be used",
        "## Training data and licences", "## Recipe",
    ]  # fmt: skip
    assert "Not measured yet" in card
    assert "It heard 2 recorded songs" in card
    assert "Vocals are sampled" not in card
    sampled = tiny_train_config(
        model={**CONFIG, "objective": {"name": "v"}, "sampling": {"sampler": "ddim"}}
    )
    assert "Vocals are sampled" in model_card(sampled, Progress(), tiny_pool())


@pytest.mark.parametrize("picture", [True, False])
def test_a_card_shows_the_curve_where_there_is_a_picture(picture):
    card = model_card(tiny_train_config(), Progress(), tiny_pool(), picture=picture)
    assert ("](curve.png)" in card) == picture


def test_a_training_file_is_read(tmp_path):
    file = tmp_path / "tiny.yaml"
    file.write_text(yaml.safe_dump(TRAINING), "utf-8")
    assert read_train_config(file) == tiny_train_config()


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("model: [", "cannot be read"),
        ("", "valid dictionary"),
        (yaml.safe_dump({**TRAINING, "colour": "red"}), "colour"),
        (yaml.safe_dump({**TRAINING, "data": {"colour": "red"}}), "data.colour"),
        (yaml.safe_dump({**TRAINING, "ema_decay": 1.0}), "ema_decay"),
        (yaml.safe_dump({**TRAINING, "data": {"remix_share": 2}}), "data.remix_share"),
        (yaml.safe_dump({"model": CONFIG, "data": {}}), "duration_s: Field required"),
    ],
)
def test_a_wrong_training_file_is_refused_by_name_and_place(tmp_path, text, part):
    file = tmp_path / "tiny.yaml"
    file.write_text(text, "utf-8")
    with pytest.raises(ConfigError) as caught:
        read_train_config(file)
    assert str(file) in str(caught.value)
    assert part in str(caught.value)


def test_a_training_file_that_is_not_there_is_refused_by_name(tmp_path):
    with pytest.raises(ConfigError, match=r"nosuch\.yaml cannot be read"):
        read_train_config(tmp_path / "nosuch.yaml")


def test_there_is_always_a_core_to_use():
    assert free_cores() >= 1
