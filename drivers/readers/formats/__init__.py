"""What readers say on a serial line: one module per wire format, pure where it can be.

Formats that a reader sends by itself have a codec: bytes in, reports out. Modules that
have to be asked have a class that asks them through a `Dialogue`.
"""
