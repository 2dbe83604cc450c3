"""AG-UI, the protocol between agents and user interfaces: its 31 events of version 1.0, and five that went before."""
