"""Meters: an energy register beside a charger."""
