"""What operators see: metrics, logs, probes and the service manager's notifications."""
