"""How random input is tried, everywhere."""

from hypothesis import settings

# A busy machine must not fail a test: what counts is the result, not how long it took.
settings.register_profile("no wall clock", deadline=None)
settings.load_profile("no wall clock")
