"""Tests of the OCPI client against peers that misbehave."""
