"""Reads the text form of metrics with prometheus-client's own parser."""

from __future__ import annotations

from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families


@dataclass(frozen=True)
class Family:
    """One metric. `samples` by name of the series and its labels."""

    name: str
    type: str
    meaning: str
    samples: dict[tuple[str, tuple[tuple[str, str], ...]], float]


def read(text: str) -> dict[str, Family]:
    """All metrics by the name they have in the documentation; a series that comes twice is an error."""
    found = {}
    for family in text_string_to_metric_families(text):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        samples: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in samples, f"{key} comes twice"
            samples[key] = sample.value
        assert name not in found, name
        found[name] = Family(name, family.type, family.documentation, samples)
    return found


def value(text: str, name: str, **labels: str) -> float | None:
    """Of one series; None where there is none."""
    for family in read(text).values():
        if (known := family.samples.get((name, tuple(sorted(labels.items()))))) is not None:
            return known
    return None
