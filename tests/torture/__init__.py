"""The daemon killed, its disk filled: whatever happens, no session is lost."""
