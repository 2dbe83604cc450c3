"""Sources without a broker: events that come in over HTTP, and a swarm that is made up."""
