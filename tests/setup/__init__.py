"""How a clone becomes an installation."""
