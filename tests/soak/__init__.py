"""Days of a daemon's life in minutes: see test_soak.py."""
