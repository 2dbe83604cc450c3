"""Fakes for every port, and contract tests that built-ins and plug-ins run alike."""
