"""The files of systemd/, read by the programs that will read them."""
