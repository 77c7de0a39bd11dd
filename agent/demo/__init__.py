"""The agent at work without hardware: a sample backend and a guided tour."""
