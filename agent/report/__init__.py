"""Reports on their way out: from the outbox to whoever must hear of them."""
