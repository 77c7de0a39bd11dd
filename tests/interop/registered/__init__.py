"""The agent in both roles of a handshake with extrawest_ocpi."""
