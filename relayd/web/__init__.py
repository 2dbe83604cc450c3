"""The dashboard, and what a front end may take from it: static files, no build step."""
