"""The page around the content, for jinja2 with autoescape.

Reads  what `page.Report` collected.
Skips  looks (style.py) and behaviour (script.py), which are put in as they are: they hold nothing of the user's.
"""

from __future__ import annotations

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"

PAGE = """\
{%- macro download(file, data) -%}
<button type="button" class="live-only" data-do="download" data-file="{{ file }}" \
aria-label="Download as CSV: {{ file }}">\
Download CSV</button>
{%- if data %}<script type="application/json">{{ data|tojson }}</script>{% endif -%}
{%- endmacro -%}

{%- macro figure(block) -%}
<figure>{{ block.svg }}
{%- if block.caption or block.data %}
<figcaption>{% if block.caption %}<p>{{ block.caption }}</p>{% endif %}
{%- if block.data %}{{ download(block.file, block.data) }}{% endif %}</figcaption>
{%- endif %}</figure>
{%- endmacro -%}

{%- macro cell(one, tag, right) -%}
{%- set class = ["right" if right, "none" if one.sort is none and not one.figure and one.text]|select|join(" ") -%}
<{{ tag }}{% if tag == "th" %} scope="row"{% endif %}{% if class %} class="{{ class }}"{% endif %}
{%- if one.sort is not none %} data-sort="{{ one.sort }}"{% endif %}
{%- if one.csv is not none %} data-csv="{{ one.csv }}"{% endif %}>
{%- if one.figure %}{{ one.figure }}{% else %}{{ one.text }}{% endif %}</{{ tag }}>
{%- endmacro -%}

{%- macro table(block) -%}
<figure class="table">
<figcaption class="above"><p id="{{ block.id }}">{{ block.caption }}</p>{{ download(block.file, none) }}</figcaption>
<div class="scroll" tabindex="0" role="region" aria-labelledby="{{ block.id }}">
<table aria-labelledby="{{ block.id }}"><thead><tr>
{%- for head in block.heads %}
<th scope="col" aria-sort="none"{% if head.right %} class="right"{% endif %}>\
<button type="button" data-do="sort"{% if head.hint %} title="{{ head.hint }}"{% endif %}>{{ head.name }}</button></th>
{%- endfor %}</tr></thead>
<tbody>
{%- for row in block.rows %}
<tr{% if loop.index0 in block.chosen %} class="chosen"{% endif %}>
{%- for one in row %}{{ cell(one, "th" if loop.first else "td", block.heads[loop.index0].right) }}{% endfor %}</tr>
{%- endfor %}
</tbody></table></div></figure>
{%- endmacro -%}

{%- macro content(blocks) -%}
{%- for block in blocks %}
{%- if block.kind == "lead" %}<p class="lead">{{ block.text }}</p>
{%- elif block.kind == "text" %}<p>{{ block.text }}</p>
{%- elif block.kind == "command" %}
<div class="command"><code>\
{% for word in block.words %}{% if not loop.first %} {% endif %}<span>{{ word }}</span>{% endfor %}</code>\
<button type="button" class="live-only" data-do="copy" aria-live="polite">Copy</button></div>
{%- elif block.kind == "facts" %}
<dl class="facts">
{%- for name, value in block.pairs %}<div><dt>{{ name }}</dt><dd>{{ value }}</dd></div>{% endfor %}</dl>
{%- elif block.kind == "figure" %}{{ figure(block) }}
{%- elif block.kind == "side" %}
<div class="side">{% for one in block.figures %}{{ figure(one) }}{% endfor %}</div>
{%- elif block.kind == "table" %}{{ table(block) }}
{%- endif %}
{% endfor %}
{%- endmacro -%}

<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{{ policy }}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>{{ title }}</title>
<style>{{ css }}</style>
</head>
<body>
<main>
<header><h1>{{ title }}</h1>
{%- if subtitle %}<p class="subtitle">{{ subtitle }}</p>{% endif %}</header>
<div class="intro">{{ content(intro) }}</div>
{%- if warnings %}
<aside class="warnings" aria-label="{{ warned }}s">
<h2>{{ warnings|length }} {{ warned }}{{ "s" if warnings|length > 1 }}</h2>
<ul>{% for one in warnings %}<li>{{ one }}</li>{% endfor %}</ul></aside>
{%- endif %}
{%- if sections|length > 4 %}
<nav class="contents" aria-label="Contents"><ol>
{%- for one in sections %}<li><a href="#{{ one.id }}">{{ one.title }}</a></li>{% endfor %}</ol></nav>
{%- endif %}
{%- for one in sections %}
<details class="section" id="{{ one.id }}"{% if not one.closed %} open{% endif %}>
<summary><h2>{{ one.title }}</h2></summary>
<div class="body">{{ content(one.blocks) }}</div>
</details>
{%- endfor %}
{%- if notes %}
<footer class="notes"><ol>{% for one in notes %}<li id="note-{{ loop.index }}">{{ one }}</li>{% endfor %}</ol></footer>
{%- endif %}
</main>
<script>{{ script }}</script>
</body>
</html>
"""
