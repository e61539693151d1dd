"""gen3sync keeps a folder and a Gen3 data commons in step."""

__version__ = "0.1.0"
