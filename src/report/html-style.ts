/** The style sheet of the HTML report: light and dark, narrow and wide, screen and paper; no font is fetched. */
export const styleSheet = `:root {
  color-scheme: light dark;
  --page: #fff; --panel: #f6f7f9; --ink: #1b1f24; --muted: #57606a; --line: #d5dae0; --faint: #eceff2; --link: #0a5a9c;
  --pass: #00614a; --pass-back: #dff3ec; --fail: #a33c00; --fail-back: #fdeadf; --open: #6b5300; --open-back: #fbf1cf;
  --doubt-1: #fdf3d8; --doubt-2: #fbe3ac; --doubt-3: #f9cd86; --doubt-4: #f5b26b;
  --sans: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  --mono: ui-monospace, "SF Mono", SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0f1419; --panel: #171d24; --ink: #e6e9ec; --muted: #9da7b1; --line: #323b45; --faint: #1f262e; --link: #7cc0f5;
    --pass: #62d3ae; --pass-back: #10302a; --fail: #ff9d66; --fail-back: #3a2013; --open: #ecc94b; --open-back: #332a0c;
    --doubt-1: #2b2615; --doubt-2: #40330f; --doubt-3: #5a400a; --doubt-4: #754806;
  }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; scroll-padding-top: 1.5rem; -webkit-text-size-adjust: 100%; }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.55 var(--sans);
  display: grid; grid-template-columns: 12rem minmax(0, 66rem); gap: 0 2.5rem; justify-content: center; padding: 0 1.5rem 4rem; }
a { color: var(--link); }
a:focus-visible, summary:focus-visible, .scroll:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; border-radius: 3px; }
.skip { position: absolute; left: -99rem; }
.skip:focus { left: 1rem; top: 1rem; z-index: 2; background: var(--page); padding: .5rem .8rem; }
nav { position: sticky; top: 0; align-self: start; max-height: 100vh; overflow-y: auto; padding: 2.6rem 0 1rem; font-size: .875rem; }
nav .brand { margin: 0 0 .8rem .8rem; font-weight: 700; letter-spacing: -.01em; }
nav ol { list-style: none; margin: 0; padding: 0; border-left: 1px solid var(--line); }
nav ol + ol { margin-top: .9rem; }
nav a { display: block; padding: .28rem .8rem; color: var(--muted); text-decoration: none; }
nav a:hover { color: var(--ink); background: var(--panel); }
main { min-width: 0; padding-top: 2.4rem; }
.kicker { margin: 0; color: var(--muted); font-size: .875rem; }
h1 { margin: .1rem 0 1.2rem; font-size: 2rem; line-height: 1.2; letter-spacing: -.02em; overflow-wrap: anywhere; }
h2 { margin: 3.2rem 0 .9rem; padding-top: .2rem; font-size: 1.35rem; line-height: 1.3; letter-spacing: -.01em; }
h3 { margin: 0 0 .5rem; font-size: .875rem; font-weight: 600; color: var(--muted); overflow-wrap: anywhere; }
p { margin: 0 0 .8rem; max-width: 46rem; overflow-wrap: anywhere; }
ul.prose { margin: 0; padding-left: 1.2rem; max-width: 46rem; }
ul.prose li { margin-bottom: .45rem; overflow-wrap: anywhere; }
.lead { border: 1px solid var(--line); border-left: 5px solid var(--open); border-radius: 6px; padding: 1.2rem 1.4rem 1.3rem; background: var(--panel); }
.lead-pass { border-left-color: var(--pass); }
.lead-fail { border-left-color: var(--fail); }
.lead .verdict { display: flex; align-items: center; gap: .8rem; margin-bottom: .6rem; }
.lead .verdict .chip { font-size: .95rem; padding: .2rem .7rem; }
.exit { color: var(--muted); font-size: .875rem; }
.alarm { border-left: 3px solid var(--fail); padding-left: .7rem; }
.sentence { font-size: 1.15rem; line-height: 1.45; font-weight: 600; margin-bottom: 1rem; }
.gate-sentence { margin-bottom: 1rem; }
.strip { list-style: none; margin: 0 0 1rem; padding: 0; display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 18.5rem), 1fr)); gap: .45rem .6rem; font-size: .84rem; }
.strip li { display: flex; flex-wrap: wrap; align-content: start; align-items: baseline; gap: .1rem .55rem; background: var(--page); border: 1px solid var(--line); border-radius: 5px; padding: .3rem .65rem; font-variant-numeric: tabular-nums; }
.strip .arm { font-weight: 600; }
.strip .note { max-width: none; }
.compared { margin: 1rem 0 0; font-size: .8rem; line-height: 1.5; }
.compared div { display: flex; gap: .8rem; padding: .15rem 0; }
.compared dt { flex: 0 0 5rem; color: var(--muted); }
.compared dd { margin: 0; display: flex; flex-wrap: wrap; gap: 0 1.1rem; min-width: 0; overflow-wrap: anywhere; }
.compared code { color: var(--muted); }
.notices { border: 2px solid var(--open); border-radius: 6px; background: var(--open-back); color: var(--ink); padding: .8rem 1.2rem; margin-bottom: 1.2rem; font-weight: 600; }
.notices ul { margin: 0; padding-left: 1.1rem; overflow-wrap: anywhere; }
.cards { list-style: none; margin: 0; padding: 0; display: grid; grid-template-columns: repeat(auto-fit, minmax(15.5rem, 1fr)); gap: .8rem; }
.cards li { background: var(--page); border: 1px solid var(--line); border-radius: 5px; padding: .8rem .95rem; font-size: .9rem; line-height: 1.5; font-variant-numeric: tabular-nums; }
.cards p:last-child { margin-bottom: 0; }
.cards dl { margin: 0; border-top: 1px solid var(--faint); }
.cards dl div { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 .6rem; padding: .3rem 0; border-bottom: 1px solid var(--faint); font-size: .82rem; }
.cards dl div:last-child { border-bottom: 0; padding-bottom: 0; }
.cards dt { flex: 0 0 100%; color: var(--muted); }
.cards dd { margin: 0; white-space: nowrap; }
.card-head { display: flex; justify-content: space-between; align-items: center; gap: .5rem; margin-bottom: .5rem; font-weight: 600; }
.arm { display: inline-block; position: relative; padding-left: 1.3em; overflow-wrap: break-word; }
.mark { position: absolute; left: 0; top: .32em; overflow: visible; width: .85em; height: .85em; }
.chip { display: inline-block; white-space: nowrap; border-radius: 99px; padding: .05rem .55rem; font-size: .75rem; font-weight: 700; letter-spacing: .03em; border: 1px solid currentColor; }
.chip-pass { color: var(--pass); background: var(--pass-back); }
.chip-fail { color: var(--fail); background: var(--fail-back); }
.chip-inconclusive { color: var(--open); background: var(--open-back); border-style: dashed; }
.chip-none { color: var(--muted); font-weight: 500; letter-spacing: 0; border-color: var(--line); }
.section-caveats .prose { max-width: none; border-left: 4px solid var(--open); background: var(--panel); padding: .9rem 1.2rem .9rem 2.2rem; border-radius: 0 5px 5px 0; font-size: .9rem; }
.section-caveats .prose li { margin-bottom: .25rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; min-width: 24rem; margin: 0 0 .4rem; border-bottom: 1px solid var(--ink); font-size: .84rem; line-height: 1.4; font-variant-numeric: tabular-nums; }
th, td { padding: .36rem .85rem .36rem 0; text-align: left; vertical-align: baseline; border-bottom: 1px solid var(--faint); }
th:last-child, td:last-child { padding-right: 0; }
thead th { font-weight: 600; color: var(--muted); vertical-align: bottom; border-bottom: 1px solid var(--line); }
thead th.group { text-align: center; border-bottom: 1px solid var(--line); color: var(--ink); }
thead tr:first-child th { border-top: 2px solid var(--ink); padding-top: .5rem; }
tbody tr:last-child > * { border-bottom: 0; }
.starts-group { padding-left: .8rem; }
tbody th { font-weight: 600; }
tr.starts:not(:first-child) > * { border-top: 1px solid var(--line); }
tbody th { white-space: nowrap; }
.section-compared tbody th, .section-harm tbody th, .section-claims tbody th { white-space: normal; }
.section-method td { overflow-wrap: anywhere; }
th[scope="rowgroup"] { vertical-align: top; border-bottom: 0; }
button { font: inherit; color: inherit; }
.sort { display: inline; padding: 0; border: 0; background: none; text-align: inherit; cursor: pointer; }
.sort:hover { color: var(--link); text-decoration: underline; }
[aria-sort] .sort { color: var(--ink); }
[aria-sort="ascending"] .sort::after { content: " ▲"; font-size: .7em; }
[aria-sort="descending"] .sort::after { content: " ▼"; font-size: .7em; }
.table-search { display: block; margin: 0 0 .5rem; color: var(--muted); font-size: .84rem; }
input, select { font: inherit; color: inherit; background: var(--page); border: 1px solid var(--muted); border-radius: 4px; padding: .2rem .45rem; }
.number { text-align: right; white-space: nowrap; }
thead .number { white-space: normal; }
code { font: .92em/1.4 var(--mono); overflow-wrap: anywhere; }
.section-compared td { overflow-wrap: anywhere; }
figure { margin: 1.6rem 0 2rem; }
figure.table { margin: 1.6rem 0; }
figure.table figcaption { margin: 0 0 .55rem; }
figure .scroll { padding: .2rem 0; }
figure .aftertune-figure { display: block; max-width: none; height: auto; color: inherit; background: none; }
figcaption { margin-top: .5rem; color: var(--muted); font-size: .875rem; line-height: 1.5; max-width: 46rem; }
figcaption .sources { display: block; font-size: .8rem; margin-top: .15rem; }
details { border-top: 1px solid var(--line); padding: .3rem 0; }
summary { cursor: pointer; font-weight: 600; padding: .5rem 0; }
.count { color: var(--muted); font-weight: 400; }
.sample { border: 1px solid var(--line); border-radius: 6px; padding: .9rem 1rem; margin: 0 0 .9rem; }
blockquote { margin: 0 0 .5rem; font-size: .95rem; white-space: pre-wrap; overflow-wrap: anywhere; }
.answers { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: .7rem; margin-top: .7rem; }
.answer { background: var(--panel); border-radius: 5px; padding: .6rem .75rem; font-size: .84rem; min-width: 0; }
.answer pre { margin: 0 0 .5rem; font: .98em/1.5 var(--sans); white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: isolate; }
.redacted { margin: 0 0 .5rem; color: var(--muted); font-style: italic; padding: .25rem .5rem; border: 1px dashed var(--line); border-radius: 3px; }
.labels { margin: 0 0 .3rem; }
.label { font-size: .9em; font-weight: 600; }
.label + .label::before { content: "· "; color: var(--muted); font-weight: 400; }
.label-good { color: var(--pass); }
.label-bad { color: var(--fail); }
.label-open { color: var(--open); }
.note { margin: 0; color: var(--muted); font-size: .8rem; overflow-wrap: anywhere; }
@media (max-width: 68rem) {
  body { display: block; padding: 0 1rem 3rem; }
  nav { top: 0; z-index: 1; background: var(--page); border-bottom: 1px solid var(--line); margin: 0 -1rem; padding: .5rem 1rem; }
  nav .brand { display: none; }
  nav ol { display: flex; overflow-x: auto; border: 0; }
  nav a { white-space: nowrap; padding: .2rem .6rem; }
  html { scroll-padding-top: 3.5rem; }
  main { padding-top: 1.4rem; }
  h1 { font-size: 1.6rem; }
}
@media print {
  :root { --page: #fff; --panel: #fff; --ink: #000; --muted: #444; --line: #bbb; --faint: #ddd; --link: #000;
    --pass: #00614a; --pass-back: #fff; --fail: #a33c00; --fail-back: #fff; --open: #6b5300; --open-back: #fff; color-scheme: light; }
  body { display: block; padding: 0; font-size: 10pt; }
  nav, .skip, figcaption .sources { display: none; }
  .scroll { overflow: visible; }
  table { font-size: 7.5pt; }
  th, td { padding: .25rem .5rem .25rem 0; }
  .group, .starts-group { padding-left: .4rem; }
  figure .aftertune-figure { max-width: 100%; }
  h2 { break-after: avoid; }
  figure, tr, .sample, .cards li { break-inside: avoid; }
  details::details-content { content-visibility: visible; block-size: auto; }
}
`;
