"""Sizes of a conditioned U-Net of a few thousand weights."""

LOCAL = {
    "widths": [8, 12, 16],
    "conditioner_widths": [12, 8, 16],
    "factors": [2, 3],
    "blocks": [1, 0, 2],
    "attention_levels": 0,
    "attention_heads": 1,
    "injected_levels": 2,
    "transformer_layers": 0,
    "transformer_channels": 64,
    "step_channels": 8,
    "norm": "frame",
}
WHOLE = {**LOCAL, "norm": "group", "attention_levels": 2, "transformer_layers": 1}
