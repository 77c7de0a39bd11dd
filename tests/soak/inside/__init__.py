"""What the daemon under test is made to load; nothing here is imported by tests."""
