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
    """Retrying is useless until a rule or group is fixed; the message names it."""


class UnsupportedDeviceError(DriverError):
    """Retrying is useless; this driver stays off and the station runs on."""
