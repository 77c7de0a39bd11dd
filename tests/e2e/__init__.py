"""The whole daemon, as a process, against real components and failing ones."""
