"""Objectives, schedules and samplers."""
