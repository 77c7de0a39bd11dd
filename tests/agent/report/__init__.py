"""Tests of telling backends about sessions."""
