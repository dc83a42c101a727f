"""Song generation, data, losses and the training loop. Without Ray."""
