/** The page's style sheet: light and dark, narrow and wide, and paper. No colour says anything that words don't. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --bg: #ffffff; --panel: #f5f7f9; --line: #c9d1d9; --text: #1b1f24; --soft: #4d5762; --link: #0a4fa8; --focus: #0a4fa8;
  --bad: #9b1c28; --bad-bg: #fdecec; --warn: #744600; --warn-bg: #fff3d6; --good: #0f5a2a; --good-bg: #e2f6e8;
  --s0: #8f1d2c; --s1: #d0631f; --s2: #e3b341; --s3: #9fb3c8; --s4: #2b2f36; --bar: #4a6fa5;
}
@media (prefers-color-scheme: dark) {
  :root {
    --bg: #10151b; --panel: #182029; --line: #3a4653; --text: #e7edf3; --soft: #a9b5c1; --link: #8ab9ff; --focus: #8ab9ff;
    --bad: #ffaaa3; --bad-bg: #3b181b; --warn: #f2cb7c; --warn-bg: #35290f; --good: #8fe3ab; --good-bg: #12301d;
    --s0: #ff7b7b; --s1: #e08a4a; --s2: #d8b65c; --s3: #64788d; --s4: #f2f5f8; --bar: #7ea6dd;
  }
}
* { box-sizing: border-box; }
html { scroll-padding-top: 9.5rem; font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; background: var(--bg); color: var(--text); }
body { margin: 0 auto; max-width: 84rem; padding: 0 1rem 4rem; overflow-wrap: anywhere; }
a { color: var(--link); }
:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; border-radius: 2px; }
.skip { position: absolute; left: -100rem; }
.skip:focus { left: 1rem; top: .5rem; background: var(--bg); padding: .5rem; z-index: 3; }
h1 { font-size: 1.8rem; line-height: 1.2; margin: 1.6rem 0 .2rem; }
h2 { font-size: 1.3rem; line-height: 1.3; margin: 2.6rem 0 .6rem; padding-bottom: .25rem; border-bottom: 2px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.4rem 0 .4rem; }
p, ul, ol, dl { margin: .5rem 0; }
p { max-width: 62rem; }
code, pre, .v { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .875em; unicode-bidi: isolate; direction: ltr; }
pre { white-space: pre-wrap; background: var(--panel); border: 1px solid var(--line); border-radius: 4px; padding: .5rem .7rem; max-height: 22rem; overflow: auto; }
.soft { color: var(--soft); }
.num { text-align: right; font-variant-numeric: tabular-nums; }
time { font-variant-numeric: tabular-nums; white-space: nowrap; }
nav ul { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; list-style: none; padding: 0; margin: .8rem 0; }
.banner { border: 2px solid; border-left-width: .6rem; border-radius: 4px; padding: .6rem 1rem; margin: 1rem 0; }
.banner h2 { border: 0; margin: 0; padding: 0; font-size: 1.1rem; color: inherit; }
.banner p, .banner ul { color: var(--text); margin: .3rem 0; }
.banner.bad { color: var(--bad); background: var(--bad-bg); }
.banner.warn { color: var(--warn); background: var(--warn-bg); }
.banner.good { color: var(--good); background: var(--good-bg); }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .6rem; padding: 0; margin: 1rem 0; }
.figures div { background: var(--panel); border: 1px solid var(--line); border-radius: 6px; padding: .6rem .8rem; }
.figures dt { color: var(--soft); font-size: .875rem; }
.figures dd { margin: 0; font-size: 1.5rem; font-weight: 650; line-height: 1.25; font-variant-numeric: tabular-nums; }
.figures small { display: block; font-size: .8125rem; font-weight: 400; color: var(--soft); }
table { border-collapse: collapse; width: 100%; margin: .6rem 0; font-size: .9375rem; }
caption { text-align: left; color: var(--soft); font-size: .875rem; padding-bottom: .3rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem; border-bottom: 1px solid var(--line); }
thead th { border-bottom: 2px solid var(--line); background: var(--panel); }
th.num, td.num { text-align: right; }
.badge { display: inline-block; border: 1px solid currentColor; border-radius: 3px; padding: 0 .4em; font-size: .8125rem; font-weight: 600; max-width: 100%; }
.p-emergency, .p-alert, .p-critical, .p-error, .is-bad { color: var(--bad); }
.p-warning, .is-warn { color: var(--warn); }
.p-notice, .p-informational, .p-debug { color: var(--soft); }
.is-good { color: var(--good); }
svg.bars { display: block; width: 100%; height: 11rem; background: var(--panel); border: 1px solid var(--line); border-radius: 4px; }
svg .s0 { fill: var(--s0); } svg .s1 { fill: var(--s1); } svg .s2 { fill: var(--s2); } svg .s3 { fill: var(--s3); } svg .s4 { fill: var(--s4); }
svg .grid { stroke: var(--line); stroke-width: 1; vector-effect: non-scaling-stroke; }
svg g.bar:hover rect { opacity: .75; }
svg.share { display: inline-block; width: 5rem; height: .7rem; vertical-align: middle; background: var(--panel); border: 1px solid var(--line); }
svg.share rect { fill: var(--bar); }
.axis { display: flex; justify-content: space-between; gap: 1rem; font-size: .875rem; color: var(--soft); }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; list-style: none; padding: 0; font-size: .875rem; }
.legend svg { width: .8rem; height: .8rem; vertical-align: -.05rem; margin-right: .35rem; border: 1px solid var(--text); }
details > summary { cursor: pointer; padding: .15rem .3rem; border-radius: 4px; }
details > summary:hover { background: var(--panel); }
.filters { position: sticky; top: 0; z-index: 2; background: var(--bg); border: 1px solid var(--line); border-radius: 6px; padding: .5rem .8rem .6rem; margin: .8rem 0; }
.filters .buttons { margin: 0; }
.filters fieldset { border: 0; padding: 0; margin: 0; display: grid; grid-template-columns: repeat(auto-fit, minmax(10rem, 1fr)); gap: .4rem .7rem; align-items: end; }
.filters legend { font-weight: 650; padding: 0; }
.filters label { display: block; font-size: .875rem; color: var(--soft); }
input, select, button { font: inherit; font-size: 1rem; color: var(--text); background: var(--bg); border: 1px solid var(--soft); border-radius: 4px; padding: .3rem .5rem; width: 100%; min-height: 2.25rem; }
input[type=datetime-local] { font-size: .875rem; padding-inline: .3rem; }
button { cursor: pointer; width: auto; background: var(--panel); }
.buttons { display: flex; flex-wrap: wrap; gap: .5rem; margin: .5rem 0; }
.said { font-weight: 600; margin: .4rem 0 0; }
.tree, .tree ul { list-style: none; margin: 0; padding: 0; }
.tree ul { margin-left: .55rem; padding-left: .75rem; border-left: 2px solid var(--line); }
.tree li { margin: .1rem 0; }
.tree .leaf { padding: .15rem .3rem .15rem 1.35rem; }
.tree .hit { padding: .1rem .3rem .1rem 1.35rem; font-size: .9375rem; }
.tree .cmd { font-weight: 600; }
.entries { list-style: none; padding: 0; }
.entries > li { border-bottom: 1px solid var(--line); }
.entries > li > details > summary { display: block; padding: .4rem .3rem; }
.entries summary::before { content: "▸ "; color: var(--soft); }
.entries details[open] > summary::before { content: "▾ "; }
.entries .inner { padding: 0 .5rem .8rem 1.2rem; }
.entries .inner summary { padding-left: 0; }
dl.facts { display: grid; grid-template-columns: minmax(7rem, max-content) 1fr; gap: .15rem .9rem; margin: .3rem 0; }
dl.facts dt { color: var(--soft); } dl.facts dd { margin: 0; min-width: 0; }
[hidden] { display: none !important; }
footer { margin-top: 3rem; border-top: 2px solid var(--line); color: var(--soft); font-size: .875rem; }
@media screen and (max-width: 44rem) {
  body { padding: 0 .75rem 3rem; }
  h1 { font-size: 1.5rem; }
  html { scroll-padding-top: 1rem; }
  .filters { position: static; }
  .figures { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  thead { position: absolute; clip-path: inset(50%); height: 1px; width: 1px; overflow: hidden; }
  table, caption, tbody, tr, td, tbody th { display: block; width: 100%; }
  tbody tr { border: 1px solid var(--line); border-radius: 4px; margin: .5rem 0; padding: .2rem 0; }
  td, tbody th { border: 0; padding: .15rem .6rem; display: grid; grid-template-columns: minmax(6.5rem, 36%) minmax(0, 1fr); gap: .6rem; }
  td::before, tbody th::before { content: attr(data-label); color: var(--soft); font-weight: 400; text-align: left; }
  td.num, th.num { text-align: left; white-space: normal; }
  dl.facts { grid-template-columns: 1fr; } dl.facts dd { margin-bottom: .35rem; }
  .tree ul { margin-left: .2rem; padding-left: .5rem; }
  .entries .inner { padding-left: .3rem; }
}
@media print {
  :root {
    --bg: #fff; --panel: #fff; --line: #999; --text: #000; --soft: #333; --link: #000; --bad: #7a0010; --bad-bg: #fff; --warn: #4d2f00; --warn-bg: #fff; --good: #06391a; --good-bg: #fff;
    --s0: #8f1d2c; --s1: #d0631f; --s2: #e3b341; --s3: #b9c6d4; --s4: #000; --bar: #555;
  }
  @page { margin: 16mm 14mm; }
  html { font-size: 10pt; color-scheme: light; }
  body { max-width: none; padding: 0; }
  nav, .filters, .buttons, .skip, .screen { display: none !important; }
  details::details-content { content-visibility: visible; display: block; height: auto; }
  details > summary { list-style: none; } details > summary::-webkit-details-marker { display: none; }
  .entries details > summary::before, .entries details[open] > summary::before { content: ""; }
  button.range { border: 0; padding: 0; min-height: 0; font-size: inherit; background: none; }
  dl.facts { font-size: 9pt; }
  table { font-size: 8.5pt; } th, td { padding: .2rem .35rem; }
  svg.share { display: none; }
  .raw { display: none !important; }
  pre { max-height: none; overflow: visible; }
  h2, h3, caption { break-after: avoid; } tr, .figures div, .banner, svg.bars, .entries summary { break-inside: avoid; }
  thead { display: table-header-group; }
  section.paper { break-before: page; }
  svg { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  a { text-decoration: none; }
}
`;
