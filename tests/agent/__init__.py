"""Tests of the agent, in the shape of its tree."""
