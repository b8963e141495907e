"""A page of HTML as a browser's parser reads it: its tags, its text, its tables, its pictures."""

import base64
from html.parser import HTMLParser

import cv2
import numpy as np

PARTS = ("script", "link", "iframe", "object", "embed", "base", "form")  # which need or do something else
VOID = ("meta", "img", "link", "base", "embed")
INLINE = ("b", "code", "small", "span")  # after others a line ends


class Page(HTMLParser):
    """What `html.parser`, which knows nothing of the package, finds in the text of a page.

    `tags` has every tag and its attributes; `sections` the text below each heading; `tables` the cells by caption.
    """

    def __init__(self, text: str):
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.sections: dict[str, str] = {"": ""}
        self.tables: dict[str, list[list[str]]] = {}
        self._open: list[str] = []
        self._rows: list[list[str]] = []
        self._caption = self._heading = ""
        self.feed(text)
        self.close()
        assert not self._open, self._open

    @property
    def text(self) -> str:
        return "\n".join(f"{heading}\n{content}" for heading, content in self.sections.items())

    @property
    def pictures(self) -> dict[str, np.ndarray]:
        """The JPEGs, `(H, W, 3)` RGB, by their alternative text."""
        encoded = {said["alt"]: said["src"] for tag, said in self.tags if tag == "img" and "image/jpeg" in said["src"]}
        return {
            alt: cv2.imdecode(np.frombuffer(base64.b64decode(source.split(",")[1]), np.uint8), 1)[..., ::-1]
            for alt, source in encoded.items()
        }

    def check_alone(self) -> None:
        """Fail where the page needs another file, runs a script, or has a picture that says nothing in words."""
        for tag, said in self.tags:
            assert tag not in PARTS, tag
            for name in ("src", "href", "srcset", "action", "data", "poster"):
                assert said.get(name, "#").startswith(("data:", "#")), said
            assert not any(name.startswith("on") for name in said)
            assert tag != "img" or said["alt"]
        policy = next(said["content"] for _, said in self.tags if said.get("http-equiv") == "Content-Security-Policy")
        assert "default-src 'none'" in policy and "script" not in policy

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "h2":
            self._heading = ""
        if tag == "table":
            self._rows, self._caption = [], ""
        if tag == "tr":
            self._rows.append([])
        if tag in ("td", "th"):
            self._rows[-1].append("")

    def handle_endtag(self, tag):
        assert self._open.pop() == tag
        if tag == "h2":
            self.sections[self._heading] = ""
        elif tag not in INLINE:
            self.sections[self._heading] += "\n"
        if tag == "table":
            self.tables[self._caption] = self._rows

    def handle_data(self, data):
        if "style" in self._open:
            return
        if "h2" in self._open:
            self._heading += data
        elif "caption" in self._open:
            self._caption += data
        elif {"td", "th"} & set(self._open):
            self._rows[-1][-1] += data
        else:
            self.sections[self._heading] += data
