"""A month at a charge point in a minute: the whole daemon on virtual time."""
