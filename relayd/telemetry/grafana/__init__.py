"""The dashboard for Grafana, made out of the catalogue: who renames a metric renames it there, too."""
