"""Songs scored by several processes at once."""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import torch

from latentsep.evaluation.scoring import ScoreOptions, SongScores, score_song
from latentsep.evaluation.songs import SongSource
from latentsep.evaluation.systems import Contest, System

_Work = tuple[Mapping[str, System], ScoreOptions]
_work: list[_Work] = []


def score_in_processes(
    sources: Sequence[SongSource], contest: Contest, options: ScoreOptions, jobs: int
) -> Iterator[SongScores]:
    """``score_songs`` by ``jobs`` processes, in the order of the songs; cores are shared out."""
    threads = max(1, len(os.sched_getaffinity(0)) // jobs)
    pool = ProcessPoolExecutor(
        jobs,
        # A forked copy of torch's thread pool may never answer.
        mp_context=get_context("spawn"),
        initializer=_begin,
        initargs=(contest, options, threads),
    )
    try:
        yield from pool.map(_score, sources)
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(contest: Contest, options: ScoreOptions, threads: int) -> None:
    torch.set_num_threads(threads)
    _work[:] = [(contest.systems(), options)]


def _score(source: SongSource) -> SongScores:
    ((systems, options),) = _work
    return score_song(source.load(), systems, options)
