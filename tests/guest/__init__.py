"""Tests that need a kernel with devices of its own: they run in a virtual machine.

`make test-guest`, or `python -m tests.guest` with arguments for pytest. The machine has
a kernel of Debian and the files of this one, read-only below a layer in memory. In it
are a keyboard behind uinput, one behind an emulated USB port, and a GPIO chip whose
firmware is emulated behind uhid; everything above those is real. Without the machine
pytest collects nothing here.
"""
