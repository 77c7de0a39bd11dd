"""Tests of the rules: tables, stories and random histories, without I/O."""
