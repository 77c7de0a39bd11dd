"""rfid-agent: charger-side RFID authorization over OCPI."""
