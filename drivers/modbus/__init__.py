"""Modbus: lines that several drivers share, and what registers mean."""
