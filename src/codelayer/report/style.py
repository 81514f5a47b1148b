"""The look of every page: one style sheet, light and dark.

Gives  `CSS`. Colours of series follow Okabe and Ito (told apart with any kind of colour vision), darkened for light
       pages and lightened for dark ones until they can be read as text.
Skips  web fonts and anything else from outside.
"""

from __future__ import annotations

_LIGHT = {
    "page": "#ffffff", "ink": "#1b1f24", "muted": "#5b6570", "rule": "#dfe3e8", "grid": "#e9ecf0", "panel": "#f6f7f9",
    "accent": "#0064a4", "chosen": "#e8f2fb", "warn": "#fff6e0", "warn-edge": "#d98e00", "front": "#eef4fa",
    "grey": "#98a1ab",
}  # fmt: skip
_DARK = {
    "page": "#14171b", "ink": "#e6e9ed", "muted": "#9ba6b2", "rule": "#30363d", "grid": "#262b31", "panel": "#1c2025",
    "accent": "#6cb8f0", "chosen": "#16304a", "warn": "#2e2610", "warn-edge": "#e0a526", "front": "#1a232d",
    "grey": "#6d7681",
}  # fmt: skip
_SERIES_LIGHT = [
    "#0072b2", "#d55e00", "#009e73", "#8a2f7b", "#d39f00", "#14181c", "#56b4e9", "#8c1c13", "#d47fc0", "#7d868f",
]  # fmt: skip
_SERIES_DARK = [
    "#4fa9e6", "#f0853e", "#12b886", "#e77fc0", "#f3e04a", "#7d74f2", "#bfe6fb", "#d63d54", "#8b7f92", "#ffffff",
]  # fmt: skip
_RAMP_LIGHT = [
    "#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#9fd02c", "#d8c914",
]  # fmt: skip
_RAMP_DARK = [
    "#5b3f8f", "#4f5ba0", "#4076a6", "#318fa5", "#2aa79b", "#3fbf88", "#74d368", "#b0dd48", "#f4e61e",
]  # fmt: skip


def _names(colours: dict[str, str], series: list[str], ramp: list[str]) -> str:
    pairs = [*colours.items()]
    pairs += [(f"c{i}", colour) for i, colour in enumerate(series)]
    pairs += [(f"v{i}", colour) for i, colour in enumerate(ramp)]
    return "".join(f"--{name}:{colour};" for name, colour in pairs)


_SERIES_RULES = "".join(f".c{i}{{--s:var(--c{i})}}" for i in range(10))
_RAMP_RULES = "".join(f".v{i}{{--s:var(--v{i});fill:var(--v{i})}}" for i in range(9))

CSS = (
    f":root{{color-scheme:light dark;{_names(_LIGHT, _SERIES_LIGHT, _RAMP_LIGHT)}}}\n"
    f"@media (prefers-color-scheme:dark){{:root{{{_names(_DARK, _SERIES_DARK, _RAMP_DARK)}}}}}\n"
    f"{_SERIES_RULES}\n{_RAMP_RULES}\n"
    + """
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;scroll-behavior:smooth}
body{margin:0;background:var(--page);color:var(--ink);
 font:16px/1.55 ui-sans-serif,system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,"Noto Sans",sans-serif}
main{max-width:1072px;margin:0 auto;padding:48px 24px 72px}
h1{font-size:2.1rem;line-height:1.15;letter-spacing:-.015em;margin:0;overflow-wrap:anywhere;text-wrap:balance}
h2{display:inline;font-size:1.3rem;line-height:1.3;letter-spacing:-.008em;margin:0;overflow-wrap:anywhere}
p{margin:0 0 .9em;max-width:70ch;overflow-wrap:anywhere}
a{color:var(--accent);text-underline-offset:2px}
.subtitle{color:var(--muted);margin:.4rem 0 0}
.lead{font-size:1.3rem;line-height:1.5;margin:1.4rem 0 0;max-width:58ch;text-wrap:pretty}
.lead+.lead{margin-top:.7em}
.intro>*+*{margin-top:1.1rem}
code{font:.92em ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace}
p code,li code,.note code{background:var(--panel);border-radius:4px;padding:.1em .32em;overflow-wrap:anywhere}
sup{line-height:0}
.warnings code{background:rgb(128 128 128/.16)!important}
sup a{text-decoration:none;padding:0 1px}

.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(130px,1fr));gap:14px 28px;margin:1.6rem 0 0;
 padding:16px 0;border-block:1px solid var(--rule)}
.facts div{min-width:0}
.facts dt{color:var(--muted);font-size:.82rem}
.facts dd{margin:0;font-size:1.2rem;font-weight:600;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}

.command{display:flex;align-items:stretch;margin:1.1rem 0;max-width:100%;border:1px solid var(--rule);border-radius:8px;
 background:var(--panel)}
.command code{flex:1;min-width:0;padding:11px 14px;white-space:pre-wrap;font-size:.9rem;
 line-height:1.5}
.command span{display:inline-block;max-width:100%;overflow-wrap:anywhere;white-space:pre-wrap}
.command code::before{content:"$ ";color:var(--muted)}
.command button{border-left:1px solid var(--rule);border-radius:0 7px 7px 0;padding:0 16px}
button{font:inherit;font-size:.85rem;color:var(--accent);background:none;cursor:pointer;border:0;padding:0}
button:hover{text-decoration:underline;text-underline-offset:2px}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px;border-radius:3px}
html:not(.live) .live-only{display:none}

.warnings{margin:1.6rem 0 0;padding:14px 18px;background:var(--warn);border-left:4px solid var(--warn-edge);
 border-radius:0 8px 8px 0}
.warnings h2{font-size:1rem}
.warnings ul{margin:.4rem 0 0;padding-left:1.15rem}
.warnings li{margin:.25rem 0;max-width:80ch;overflow-wrap:anywhere}
.contents{margin:2rem 0 0;font-size:.95rem}
.contents ol{list-style:none;margin:0;padding:0;display:flex;flex-wrap:wrap;gap:4px 22px}
.contents a{text-decoration:none}
.contents a:hover{text-decoration:underline}

details.section{margin-top:2.4rem;border-top:1px solid var(--rule);padding-top:1.2rem}
summary{cursor:pointer;list-style:none;display:flex;align-items:baseline;gap:10px}
summary::-webkit-details-marker{display:none}
summary::before{content:"";flex:none;width:.5em;height:.5em;border:solid var(--muted);border-width:0 2px 2px 0;
 transform:rotate(-45deg) translate(-1px,-1px)}
details[open]>summary::before{transform:rotate(45deg) translate(-2px,-2px)}
.section>.body{padding-top:.9rem}

figure{margin:1.4rem 0 1.8rem;min-width:0}
.body>figure:first-child{margin-top:.3rem}
figcaption{display:flex;flex-wrap:wrap;gap:4px 16px;justify-content:space-between;align-items:baseline;margin:.6rem 0 0}
figcaption p{margin:0;color:var(--muted);font-size:.92rem;max-width:74ch}
figcaption.above{margin:0 0 .55rem}
.side{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));gap:0 36px}

.scroll{overflow-x:auto;-webkit-overflow-scrolling:touch}
table{border-collapse:separate;border-spacing:0;width:100%;font-size:.92rem;
 font-variant-numeric:tabular-nums lining-nums}
th,td{text-align:left;vertical-align:baseline;padding:7px 16px 7px 0;border-bottom:1px solid var(--rule);
 overflow-wrap:break-word;max-width:24em}
tbody th{font-weight:500;background:var(--page);min-width:8em}
thead th{font-weight:600;border-bottom:1.5px solid var(--muted);vertical-align:bottom;line-height:1.3}
.right{text-align:right;white-space:nowrap}
thead .right{white-space:normal}
th:first-child,td:first-child{padding-left:10px}
tr>:last-child{padding-right:16px}
thead button{font:inherit;font-weight:600;color:inherit;text-align:inherit;position:relative}
thead button[title]{text-decoration:underline dotted var(--muted);text-underline-offset:3px}
[aria-sort] button::after{content:"";position:absolute;right:-12px;bottom:.25em;border:4px solid transparent;
 visibility:hidden;border-top-color:currentColor}
[aria-sort=ascending] button::after{visibility:visible;border-color:transparent transparent currentColor;bottom:.5em}
[aria-sort=descending] button::after{visibility:visible}
thead button:hover::after{visibility:visible}
tbody tr:hover>*{background:var(--panel)}
tr.chosen>*,tbody tr.chosen:hover>*{background:var(--chosen);font-weight:600}
tr.chosen>:first-child{box-shadow:inset 3px 0 0 var(--accent)}
.none{color:var(--muted)}

.plot{container-type:inline-size;min-width:0}
.plot>svg{display:block;width:100%;height:auto}
.plot>.narrow{display:none;max-width:560px}
@container (max-width:640px){.plot>.wide{display:none}.plot>.narrow{display:block}}
svg text{font-size:13px;fill:var(--ink)}
svg.narrow text{font-size:14px}
svg .tick{fill:var(--muted);font-variant-numeric:tabular-nums}
svg .axis-name{fill:var(--ink);font-weight:500}
.grid{stroke:var(--grid);stroke-width:1}
.axis{stroke:var(--muted);stroke-width:1}
.chance{stroke:var(--muted);stroke-width:1.4;stroke-dasharray:5 4}
.leader{stroke:var(--s,var(--muted));stroke-width:1;fill:none;opacity:.6}
.stroke{fill:none;stroke:var(--s);stroke-width:1.8;stroke-linejoin:round;stroke-linecap:round}
.strong .stroke{stroke-width:3.2}
.dashed .stroke{stroke-dasharray:7 5}
.band{fill:var(--s);opacity:.1}
.strong .band{opacity:.2}
.quiet{--s:var(--grey)}
.quiet .stroke{stroke-width:1.4}
.quiet .band,.quiet .whisker{opacity:0}
.dot{fill:var(--s);stroke:var(--page);stroke-width:1.2}
.whisker{stroke:var(--s);stroke-width:1.6;stroke-linecap:round;opacity:.75}
.thick{stroke-width:5;opacity:.35}
.strong .thick{opacity:.55}
.series .name{fill:var(--s);fill:color-mix(in srgb,var(--s) 72%,var(--ink))}
.quiet .name,.rows .name{fill:var(--ink)}
.quiet:not(:hover) .leader{opacity:.4}
svg .strong .name,svg .strong .value,svg .name.strong{font-weight:700}
svg .value{font-variant-numeric:tabular-nums}
.series .value{fill:var(--ink)}
.plot>svg:has(.series:hover) .series:not(:hover){opacity:.2}
.quiet:hover .band,.quiet:hover .whisker{opacity:.2}
.front-area{fill:var(--front)}
.front-line{fill:none;stroke:var(--accent);stroke-width:3;stroke-linejoin:round;opacity:.4}
.point{--s:var(--grey)}
.point.front{--s:var(--accent)}
.point .whisker{stroke-width:1.3;opacity:.75}
.point.strong .dot{stroke:var(--ink);stroke-width:2}

.dots path{fill:none;stroke:var(--s);stroke-linecap:round;opacity:.8}
.dots.square path{stroke-linecap:square}
.dots.bar path{stroke-linecap:butt}
.dots.grey{--s:var(--grey)}
.dots path:hover{opacity:1}
.plot.map{display:flex;flex-wrap:wrap;gap:20px 32px;align-items:flex-start;container-type:normal}
.plot.map>svg{flex:1 1 320px;max-width:640px;border:1px solid var(--rule);border-radius:8px}
svg .on-map{font-size:16px;font-weight:700;paint-order:stroke;stroke:var(--page);stroke-width:4px;
 stroke-linejoin:round;pointer-events:none}
.legend{flex:1 1 200px;font-size:.9rem;min-width:0}
.legend p{margin:0 0 .4rem}
.legend-title{font-weight:600}
.legend-note{color:var(--muted);font-size:.85rem;margin-top:.6rem!important}
.legend ul{list-style:none;margin:0;padding:0;columns:150px auto;column-gap:18px}
.legend li{display:flex;break-inside:avoid;padding:2px 0;gap:8px;align-items:center;min-width:0}
.legend li svg{flex:none;stroke-width:11px}
.legend li span{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.legend small{color:var(--muted);font-variant-numeric:tabular-nums}
.ramp{display:block;max-width:180px}
.ramp-ends{display:flex;justify-content:space-between;width:180px;color:var(--muted);font-size:.82rem;
 font-variant-numeric:tabular-nums}

.images{display:grid;gap:6px 4px;grid-template-columns:var(--columns);align-items:start}
.images.captioned{grid-template-columns:minmax(70px,max-content) var(--columns)}
.images img,.blank{display:block;width:100%;aspect-ratio:1;object-fit:contain;image-rendering:pixelated;
 border-radius:3px; background:var(--panel)}
.images small{display:block;text-align:center;color:var(--muted);font-size:.78rem;line-height:1.3;
 overflow-wrap:anywhere;padding-bottom:4px}
.row-name{align-self:center;max-width:190px;padding-right:12px;color:var(--muted);font-size:.88rem;line-height:1.3;
 overflow-wrap:anywhere}
.column-name{align-self:end;text-align:center;color:var(--muted);font-size:.78rem;line-height:1.25}
@container (max-width:680px){
 .images.captioned{grid-template-columns:var(--columns);gap:3px 2px}
 .images.captioned .row-name{grid-column:1/-1;max-width:none;padding-top:6px}
 .images.captioned .row-name:empty{display:none}
}
.nothing{color:var(--muted);padding:20px 0}
.strip{display:inline-block;vertical-align:middle}
.strip .ticks path{stroke:var(--s);stroke-width:1.4;opacity:.5}
.strip .hist{fill:var(--s);opacity:.6}
.strip .mark{stroke:var(--ink);stroke-width:1.8}
.gauge .beside{stroke:var(--muted);stroke-width:1.6}
.shade{fill:var(--s)}
svg .shade-dark{fill:var(--page)}

.notes{margin-top:3rem;border-top:1px solid var(--rule);padding-top:1rem;font-size:.88rem;color:var(--muted)}
.notes ol{margin:0;padding-left:1.4rem}
.notes li{margin:.3rem 0;max-width:90ch;overflow-wrap:anywhere}
.notes li:target,details:target>summary h2{text-decoration:underline;text-decoration-color:var(--accent)}
@media (max-width:640px){
 main{padding:28px 16px 48px}
 h1{font-size:1.6rem}
 .lead{font-size:1.12rem}
 .facts{grid-template-columns:repeat(2,1fr)}
 table{font-size:.86rem}
 th,td{padding-right:12px;max-width:13em}
 thead th:first-child,tbody th{position:sticky;left:0;z-index:1;background:var(--page)}
 tbody th{min-width:7em;max-width:9.5em}}
@media (prefers-reduced-motion:reduce){html{scroll-behavior:auto}}
@media print{main{max-width:none;padding:0}button,.contents{display:none}figure,tr{break-inside:avoid}}
"""
)
