"""Tests of the sample backend and the tour."""
