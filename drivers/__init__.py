"""Hardware drivers: readers, chargers and indicators; they know nothing of OCPI."""
