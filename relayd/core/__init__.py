"""What relayd knows without the world: the log, its projects and who stands where in it.  No I/O, no clock, no await."""
