from torch import nn

from latentsep.models.parameters import parameter_counts


def test_parameters_are_counted_by_part():
    module = nn.ModuleDict(
        {
            "one": nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1, bias=False)),
            "other": nn.Linear(2, 2),
            "empty": nn.Identity(),
        }
    )
    assert parameter_counts(module) == {"one": 12 + 4 + 4, "other": 4 + 2}
