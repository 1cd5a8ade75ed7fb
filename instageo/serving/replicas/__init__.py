"""The processes with networks, and the calls that other processes send to them."""
