"""Tests against real components, and the harnesses that run them."""
