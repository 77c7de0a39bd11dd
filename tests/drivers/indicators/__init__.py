"""Tests of the indicator drivers."""
