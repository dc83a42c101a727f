"""Reads a page as a browser's parser would, and complains of what does not fit together."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = frozenset({"meta", "link", "img", "br", "hr", "input"})
REFERRING = ("aria-labelledby", "for")


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]


@dataclass
class Page(HTMLParser):
    """Elements and text of a page.

    Attributes:
        faults: tags that close nothing or stay open, ids that come twice, references to no id.
    """

    html: str
    elements: list[Element] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def __post_init__(self):
        super().__init__()
        self._open = []
        self.feed(self.html)
        self.close()
        self.faults += [f"<{tag}> stays open" for tag in self._open]
        self._check_ids()

    def of(self, *tags):
        return [element for element in self.elements if element.tag in tags]

    @property
    def text(self):
        return "".join(self.texts)

    def handle_starttag(self, tag, attrs):
        self.elements.append(Element(tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append(Element(tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self._open or self._open[-1] != tag:
            self.faults.append(f"</{tag}> inside {self._open[-1:]} at {self.getpos()}")
        else:
            self._open.pop()

    def handle_data(self, data):
        if not {"style", "script"} & set(self._open):
            self.texts.append(data)

    def _check_ids(self):
        ids = [element.attributes["id"] for element in self.elements if "id" in element.attributes]
        self.faults += [f"id {name} comes twice" for name in set(ids) if ids.count(name) > 1]
        for element in self.elements:
            for attribute in REFERRING:
                wanted = element.attributes.get(attribute, "").split()
                self.faults += [f"no id {name}" for name in wanted if name not in ids]
            target = element.attributes.get("href", "")
            if target.startswith("#") and target[1:] not in ids:
                self.faults.append(f"no place {target}")
