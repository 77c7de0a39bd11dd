"""Chargers: energy on, energy off, and what the vehicle and the meter say."""
