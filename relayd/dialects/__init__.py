"""What swarms speak: each dialect turns raw bytes into messages or into a named reason why not.  No I/O, no clock."""
