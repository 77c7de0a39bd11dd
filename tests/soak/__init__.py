"""A soak: the real daemon on all emulated hardware for as long as one likes."""
