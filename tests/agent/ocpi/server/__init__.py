"""Tests of the OCPI server of the station."""
