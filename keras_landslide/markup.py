"""Pages of HTML that need no other file: elements, tables, pictures held in the page, one style sheet.

Text becomes the text of an element and never markup: the standard library's element tree escapes it when it is written.
"""

import base64
from collections.abc import Sequence
from importlib import resources
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

Content = str | Element

# Nothing is loaded and no script runs, whatever stands in the page: a browser holds itself to it.
ONLY_ITSELF = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def element(tag: str, *content: Content, **attributes: str) -> Element:
    """An element with text and elements in this order; `class_` is the attribute `class`.

    >>> ElementTree.tostring(element("p", "a < ", element("b", "b"), " & c", class_="note"), "unicode")
    '<p class="note">a &lt; <b>b</b> &amp; c</p>'
    """
    made = Element(tag, {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()})
    for part in content:
        if isinstance(part, Element):
            made.append(part)
        elif len(made):
            made[-1].tail = (made[-1].tail or "") + part
        else:
            made.text = (made.text or "") + part
    return made


def table(caption: str, head: Sequence[Content], rows: Sequence[Sequence[Content]]) -> Element:
    """A table that scrolls sideways where it is too wide; the first cell of each row is its head."""
    lines = [
        element("tr", element("th", first, scope="row"), *(element("td", cell) for cell in others))
        for first, *others in rows
    ]
    heads = element("tr", *(element("th", cell, scope="col") for cell in head))
    inside = element("table", element("caption", caption), element("thead", heads), element("tbody", *lines))
    return element("div", inside, class_="scroll", tabindex="0", role="region", aria_label=caption)


def facts(lines: Sequence[tuple[str, Content]]) -> Element:
    """Names, and what there is to say of each."""
    return element(
        "dl", *(element("div", element("dt", name), element("dd", said)) for name, said in lines), class_="facts"
    )


def section(title: str, *content: Content) -> Element:
    return element("section", element("h2", title), *content)


def folded(summary: str, *content: Content) -> Element:
    """What is shown when a reader opens it."""
    return element("details", element("summary", summary), *content)


def picture(content: bytes, media_type: str, alt: str, **attributes: str) -> Element:
    """An image that is held in the page; `alt` says what it shows to who does not see it."""
    source = f"data:{media_type};base64,{base64.b64encode(content).decode()}"
    return element("img", src=source, alt=alt, **attributes)


def page(title: str, *content: Content, made_by: str) -> str:
    """The whole page; `made_by` stands near its beginning, where `check_made_by` looks for it."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="generator", content=made_by),
        element("meta", http_equiv="Content-Security-Policy", content=ONLY_ITSELF),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", (resources.files(__package__) / "page.css").read_text(encoding="utf-8")),
    )
    whole = element("html", head, element("body", element("main", *content)), lang="en")
    text = ElementTree.tostring(whole, encoding="unicode", method="html")
    # names of files may hold bytes that are no text
    return f"<!doctype html>\n{text}\n".encode(errors="replace").decode()
