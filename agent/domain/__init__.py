"""The rules, pure: no I/O, no asyncio and no clock of their own."""
