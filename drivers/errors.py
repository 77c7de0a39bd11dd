"""What a driver raises; the class name is the retry policy."""


class DriverError(Exception):
    """Base of all driver errors; never raised itself."""


class FrameError(DriverError):
    """Drop the bytes and resynchronise."""


class TransientDeviceError(DriverError):
    """Reopen with back-off."""


class DeviceGoneError(DriverError):
    """Wait for the device to come back; reopen with back-off."""


class AccessDeniedError(DriverError):
    """Reopen with back-off: udev, or whoever reads the message, may let us in yet."""


class UnsupportedDeviceError(DriverError):
    """Retrying is useless; this driver stays off and the station runs on."""
