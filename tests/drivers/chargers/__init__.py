"""Tests of the charger drivers."""
