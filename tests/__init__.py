"""Tests of the agent, its drivers and their harnesses."""
