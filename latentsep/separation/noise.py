"""Noise that depends on what it is for, and on nothing else."""

import hashlib

import numpy as np
import torch
from torch import Tensor

BLOCK_FRAMES = 64
DIGEST_BYTES = 16


class TrackNoise:
    """Standard normal noise of one track, by absolute frame.

    Every block of frames is Philox(seed, track, draw, step, block), made on the CPU: the same
    whatever the batch, the order of tracks, the window or the worker.
    """

    def __init__(self, seed: int, track_id: str, latent_channels: int) -> None:
        digest = hashlib.blake2b(
            seed.to_bytes(8, "little") + track_id.encode("utf-8", "surrogatepass"),
            digest_size=DIGEST_BYTES,
        ).digest()
        self.key = np.frombuffer(digest, dtype=np.uint64)
        self.latent_channels = latent_channels

    def frames(self, draw: int, step: int, first_frame: int, frames: int) -> Tensor:
        """Noise ``[latent_channel, frame]`` float32 from an absolute frame, maybe negative."""
        first_block = first_frame // BLOCK_FRAMES
        last_block = (first_frame + frames - 1) // BLOCK_FRAMES
        blocks = [self._block(draw, step, block) for block in range(first_block, last_block + 1)]
        offset = first_frame - first_block * BLOCK_FRAMES
        noise = np.concatenate(blocks, axis=1)[:, offset : offset + frames]
        return torch.from_numpy(np.ascontiguousarray(noise))

    def _block(self, draw: int, step: int, block: int) -> np.ndarray:
        counter = np.array([0, block % 2**64, step, draw], dtype=np.uint64)
        generator = np.random.Generator(np.random.Philox(key=self.key, counter=counter))
        return generator.standard_normal((self.latent_channels, BLOCK_FRAMES), dtype=np.float32)
