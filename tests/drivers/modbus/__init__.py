"""Tests of what the Modbus drivers share."""
