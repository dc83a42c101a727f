"""How large the parts of a model are."""

from collections import Counter

from torch import nn


def parameter_counts(module: nn.Module) -> dict[str, int]:
    """Parameters of each direct part of a module, by its name there."""
    counts: Counter[str] = Counter()
    for name, parameter in module.named_parameters():
        counts[name.partition(".")[0]] += parameter.numel()
    return dict(counts)
