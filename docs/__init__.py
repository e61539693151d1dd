"""What the documentation is made with: `make man` and `make capture`. Not part of an installed gen3sync."""
