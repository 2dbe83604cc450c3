"""RabbitMQ: a stream queue is the shared log; this room reads it, publishes to it and sets it up."""
