"""What decides the bytes of a stem: the identity of a run, and the model's part in it."""

import hashlib
import json
from collections.abc import Mapping

from latentsep.models.folder import find_model, read_model_file
from latentsep.pipeline.job_config import JobConfig
from latentsep.pipeline.store import OutputOptions
from latentsep.separation.sampling import choose_sampling
from latentsep.version import ALGORITHM_VERSION


def identity_of(config: JobConfig) -> Mapping[str, str | int | float | bool | None]:
    """The identity of a job's stems, by name.

    The device, the batch, the number of workers and the version of the code are not in it: they
    may change in the middle of a run. Nor is the manifest: adding tracks is an ordinary rerun.

    Raises:
        ModelError: the model is unknown or its folder damaged.
        ConfigError: the stem format is impossible, or the model cannot be sampled so.
    """
    OutputOptions(config.stems.codec, config.stems.bit_depth)
    described = read_model_file(find_model(config.model))
    # What a model leaves open is left out, so that a new setting does not make it another model.
    dumped = described.model.model_dump(mode="json", exclude_none=True)
    settings = json.dumps(dumped, sort_keys=True)
    options = config.separation
    sampling = choose_sampling(described.model, options).config
    return {
        "model": described.model.name,
        "model_sha256": described.weights.sha256,
        "model_settings_sha256": hashlib.sha256(settings.encode()).hexdigest(),
        "sampler": sampling.sampler,
        "sampler_options": json.dumps(sampling.options or {}, sort_keys=True),
        "steps": sampling.steps,
        "warm_start": options.warm_start,
        "draws": options.draws,
        "segment_s": options.segment_s,
        "overlap": options.overlap,
        "seed": options.seed,
        "refinement": options.refinement or described.model.refinement.mode,
        "precision": options.precision,
        "stem_codec": config.stems.codec,
        "stem_bit_depth": config.stems.bit_depth,
        "algorithm_version": ALGORITHM_VERSION,
        # Left out where it is off, so that outputs from before there was such a setting go on.
        **({"compile": True} if options.compile else {}),
    }
