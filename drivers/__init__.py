"""Drivers of readers, chargers, meters and indicators; they know nothing of OCPI."""
