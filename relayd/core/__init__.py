"""What relayd knows without the world: the log, its projects, who stands where in it.  No I/O, no clock, no await."""
