"""OCPI as a client: one protocol machinery, one module of wire models per version."""
