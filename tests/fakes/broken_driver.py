"""A third party's driver that fails while it is being imported."""

raise ValueError("a bug")
