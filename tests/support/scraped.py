"""What a scrape gave, as Prometheus reads it."""

from collections.abc import Mapping

from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"  # what Prometheus accepts


class Scraped:
    """The series of one scrape, by the library's own parser."""

    def __init__(self, text: str) -> None:
        read = read_openmetrics if text.endswith("# EOF\n") else read_text
        self.text = text
        self.families: dict[str, Metric] = {family.name: family for family in read(text)}
        self._series: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
        for sample in (sample for family in self.families.values() for sample in family.samples):
            key = sample.name, frozenset(sample.labels.items())
            assert key not in self._series, f"twice: {key}"
            self._series[key] = sample.value

    def one(self, name: str, /, **labels: str) -> float | None:
        """Return the value of a series with exactly these labels; None if there is none."""
        return self._series.get((name, frozenset(labels.items())))

    def all(self, name: str, /, *by: str, **labels: str) -> dict[str, float]:
        """Return the series that have these labels, by the values of others; but for those that are 0."""
        found: dict[str, float] = {}
        for (each, pairs), value in self._series.items():
            own: Mapping[str, str] = dict(pairs)
            if each == name and value and labels.items() <= own.items():
                found[" ".join(own[label] for label in by)] = value
        return found

    def names(self) -> set[str]:
        """Return the names of all series."""
        return {name for name, _ in self._series}
