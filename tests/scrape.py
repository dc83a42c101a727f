"""Reads a metrics endpoint on loopback as Prometheus does."""

from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families


class Scrape:
    """The samples of one scrape.

    Attributes:
        text: as it came.
        kinds: the type of each family, by its name.
    """

    def __init__(self, text):
        self.text = text
        families = list(text_string_to_metric_families(text))
        self.kinds = {family.name: family.type for family in families}
        self._samples = [sample for family in families for sample in family.samples]

    def all(self, name, **labels):
        """Values of the series of a name that have at least these labels."""
        return [
            sample.value
            for sample in self._samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]

    def sum(self, name, **labels):
        """Their sum."""
        return sum(self.all(name, **labels))

    def one(self, name, **labels):
        """The value of the only one."""
        (value,) = self.all(name, **labels)
        return value

    def labels(self, name):
        """The labels of each series of a name."""
        return [sample.labels for sample in self._samples if sample.name == name]

    @property
    def names(self):
        """Names of all series."""
        return {sample.name for sample in self._samples}


def scrape(port):
    """One scrape of a port on loopback."""
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        return Scrape(answer.read().decode())
