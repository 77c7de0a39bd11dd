"""Tests against OCPI servers written by others."""
