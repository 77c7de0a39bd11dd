"""The simplest possible fakes, shared by all tests."""
