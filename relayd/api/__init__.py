"""What is asked over HTTP beside the live transports: projects, logs, tickets, ingest, and the operators' listener."""
