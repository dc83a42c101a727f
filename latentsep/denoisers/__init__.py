"""Networks that estimate clean latents."""
