"""What a person can quote from Markdown and HTML: the words, no markup, nothing a customer needs left out."""

from __future__ import annotations

import pytest

from retrieval.ingestion.parse import parse

from .test_parse import blocks


def markdown(text: str) -> str:
    return parse("a.md", text.encode()).text


def html(text: str) -> str:
    return parse("a.html", text.encode()).text


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("Click **Save** or `F2` ~~or F3~~.", "Click Save or F2 ~~or F3~~."),
        ("See [the docs](https://example.com/a).", "See the docs (https://example.com/a)."),
        ("See [the other page](/docs/other#part).", "See the other page."),
        ("[example.com](https://example.com/) and <https://example.com/b>", "example.com and https://example.com/b"),
        ("Write to [us](mailto:help@example.com).", "Write to us (help@example.com)."),
        ("Press ![gear](gear.png) now", "Press gear now"),
        ("Look:\n\n[![](/shot.png)](/shot.png)\n\nDone", "Look:\n\nDone"),
        ("Use http://<YOUR_DOMAIN>/ or `<pid>`, name@<your-domain>.",
         "Use http://<YOUR_DOMAIN>/ or <pid>, name@<your-domain>."),
        ('{{< note "Run it *once*." "Note:" "bell" >}}', "Note: Run it once."),
        ('{{< alert primary exclamation "" "Keep a \\"backup\\"." >}}', 'Keep a "backup".'),
        ('{{% def id="caa" name="Certification Authority" abbr="CA" %}} Issues them. {{% /def %}}',
         "Certification Authority (CA): Issues them."),
        ('Text {{< icon "wm wm-fw" >}}{{< details-start "post-a b-c d-e" open >}}end', "Text end"),
        ("`{{< hotkey \"Cmd\" \"Ctrl\" >}} + A`", "Cmd/Ctrl + A"),
        ("::: warning\nDo not.\n:::\n\n::: details Need help?\nAsk.\n:::", "Warning: Do not.\n\nNeed help? Ask."),
        ("> [!NOTE]\n> Mind this.", "Note: Mind this."),
        ("import Tabs from '@theme/Tabs';\n\n<Tabs>\n\nText\n\n</Tabs>\n\n{/* hidden */}", "Text"),
        ("## Setup {#setup}\n\n[[toc]]\n\nGo.[^1]\n\n[^1]: A note.", "Setup\n\nGo.\n\nA note."),
        ("A <!-- hidden --> B<br>C <script>run()</script>", "A B\nC"),
        ("3. three\n4. four\n   - deep\n\n     more", "3. three\n4. four\n   - deep\n     more"),
        ("| Port | Use |\n|--|--|\n| 25 | mail `a` |\n| 80 |  |", "Port | Use\n25 | mail a\n80"),
    ],
)  # fmt: skip
def test_markdown_reads_as_its_site_shows_it(source: str, words: str) -> None:
    assert markdown(source) == words


def test_code_is_left_alone() -> None:
    source = "Run:\n\n```go\nif x {\n\n    {{< keep >}} [a](b) <pid>\n::: tip\n}\n```\n\nDone"
    assert blocks(parse("a.md", source.encode())) == [
        ("paragraph", "Run:"),
        ("code", "if x {\n\n    {{< keep >}} [a](b) <pid>\n::: tip\n}"),
        ("paragraph", "Done"),
    ]


def test_a_rule_at_the_top_is_no_front_matter() -> None:
    assert markdown("---\n\nFirst words\n\n---\n\nLast") == "First words\n\nLast"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("<header>Site</header><nav>Menu</nav><p>Text</p><aside>Ads</aside><footer>(c)</footer>", "Text"),
        ("<header><h1>Title</h1></header><p>Text</p>", "Title\n\nText"),
        ("<div>Outside</div><main><p>Inside</p></main>", "Inside"),
        ("<p hidden>No</p><p style='display: none'>No</p><i aria-hidden='true'>x</i><div role='menu'>No</div><p>Yes",
         "Yes"),
        ("<p>10 <del>20</del> &euro; H<sub>2</sub>O<sup class='reference'>[1]</sup></p>", "10 ~~20~~ € H2O"),
        ("<ul>" + "<li><a href='/x'>Page</a></li>" * 8 + "</ul><p>Text</p>", "Text"),
        ("<ul>" + "<li><a href='/x'>Page</a> explains all the steps</li>" * 2 + "</ul>",
         "- Page explains all the steps\n- Page explains all the steps"),
        ("<ol><li>One<p>More</p></li><li><pre>  a\n    b</pre></li></ol>", "1. One\n   More\n2.\n\na\n  b"),
        ("<dl><dt>Term</dt><dd>Meaning</dd></dl>", "- Term\n  Meaning"),
        ("<table><caption>Ports</caption><tr><th>A<th>B<tr><td rowspan=2>x<td>1<tr><td>2</table>",
         "Ports\n\nA | B\nx | 1\nx | 2"),
        ("<table><tr><td><ul><li>a<li>b</ul><td>c<br>d</table>", "a; b | c; d"),
        ("<table><tr><td><h2>Left</h2><p>Text</p><td><pre>code</pre></table>", "Left\n\nText\n\ncode"),
    ],
)  # fmt: skip
def test_html_gives_its_words_without_the_furniture(source: str, words: str) -> None:
    assert html(source) == words
