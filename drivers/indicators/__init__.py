"""Lights and sounds that answer the driver."""
