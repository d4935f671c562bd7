/** The style sheet of the item list that the page's script puts over the page. `.item-row` is as high as item-list.ts says. */
export const explorerStyle = `
.count-button { border: 0; padding: 0 .1em; background: none; color: inherit; cursor: pointer; text-decoration: underline dotted; text-underline-offset: .2em; font-variant-numeric: tabular-nums; }
.count-button:hover { color: var(--link); text-decoration: underline; }
.browse, .explorer button:not(.sort) { border: 1px solid var(--muted); border-radius: 5px; background: var(--page); padding: .3rem .8rem; font-size: .875rem; cursor: pointer; }
.browse { margin: 0 0 1rem; font-weight: 600; }
.browse:hover, .explorer button:hover { border-color: var(--link); color: var(--link); }
button:focus-visible, input:focus-visible, select:focus-visible, [tabindex]:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; border-radius: 3px; }
.explorer { width: min(86rem, calc(100vw - 2rem)); max-width: none; height: calc(100vh - 2rem); max-height: none; padding: 0; border: 1px solid var(--line); border-radius: 8px; background: var(--page); color: var(--ink); overflow: hidden; }
.explorer::backdrop { background: rgb(0 0 0 / .55); }
.explorer[open] { display: flex; flex-direction: column; }
.explorer-head { display: flex; justify-content: space-between; align-items: center; padding: .7rem 1.1rem; border-bottom: 1px solid var(--line); }
.explorer-head h2 { margin: 0; padding: 0; font-size: 1.1rem; }
.explorer-body { flex: 1; min-height: 0; display: flex; flex-direction: column; }
.query { padding: .7rem 1.1rem .4rem; border-bottom: 1px solid var(--line); font-size: .84rem; }
.fields { display: flex; flex-wrap: wrap; gap: .4rem 1rem; }
.fields label { color: var(--muted); }
.fields input, .fields select { color: var(--ink); max-width: 13rem; }
.fields input { width: 21rem; max-width: 100%; }
.fields select:disabled { color: var(--muted); opacity: 1; }
.query p { margin: .5rem 0 0; max-width: none; }
.selection { font-weight: 600; }
.found { color: var(--muted); }
.panes { flex: 1; min-height: 0; display: grid; grid-template-columns: minmax(17rem, 24rem) minmax(0, 1fr); }
.item-list { position: relative; overflow-y: auto; border-right: 1px solid var(--line); }
.item-list:focus-visible { outline-offset: -3px; }
.item-rows { position: relative; }
.item-row { position: absolute; left: 0; right: 0; height: 52px; padding: .35rem .9rem; border-bottom: 1px solid var(--faint); overflow: hidden; cursor: pointer; font-size: .84rem; line-height: 1.35; }
.item-row:hover { background: var(--panel); }
.item-row[aria-selected="true"] { background: var(--panel); box-shadow: inset 4px 0 var(--link); }
.item-row-head { display: flex; gap: .6rem; align-items: baseline; white-space: nowrap; }
.item-id { font-weight: 600; overflow: hidden; text-overflow: ellipsis; }
.item-row .note { overflow: hidden; text-overflow: ellipsis; }
.item-outcomes { margin-left: auto; display: flex; gap: .35rem; font-weight: 700; }
.item-beginning { display: block; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; color: var(--muted); }
.item-view { overflow-y: auto; padding: 1rem 1.2rem 2rem; }
.item-view:focus-visible { outline-offset: -3px; }
.item-title { font-size: 1.05rem; color: var(--ink); margin-bottom: .2rem; }
.item-view .answers { align-items: start; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); }
.item-view .answer code { display: block; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.item-view h4 { margin: 0 0 .5rem; font-size: .9rem; }
.item-view .note { max-width: none; }
.item-view > blockquote, .item-view > .redacted { margin: .8rem 0; max-width: none; }
.item-view .redacted { overflow-wrap: anywhere; }
.verdicts { list-style: none; margin: 0 0 .4rem; padding: 0; }
.others { display: flex; flex-wrap: wrap; align-items: center; gap: .4rem; margin-top: 1rem; color: var(--muted); font-size: .84rem; }
.back { display: none; margin-bottom: .8rem; }
.legend { margin-top: .8rem; }
.token-1 { background: var(--doubt-1); }
.token-2 { background: var(--doubt-2); }
.token-3 { background: var(--doubt-3); }
.token-4 { background: var(--doubt-4); text-decoration: underline; text-underline-offset: .2em; }
.legend .token { white-space: nowrap; padding: .05rem .35rem; border: 1px solid var(--line); border-radius: 3px; color: var(--ink); }
.confidence-line { margin: 0 0 .5rem; }
.confidence { display: block; width: 100%; height: 1.6rem; fill: var(--muted); }
@media (max-width: 50rem) {
  .explorer { width: 100vw; height: 100vh; border: 0; border-radius: 0; margin: 0; }
  .panes { grid-template-columns: minmax(0, 1fr); }
  .item-list { border-right: 0; }
  .item-view { display: none; }
  .shows-item .item-list { display: none; }
  .shows-item .item-view { display: block; }
  .back { display: inline-block; }
  .fields label { flex: 1 1 40%; }
  .fields input, .fields select { width: 100%; max-width: none; display: block; }
}
@media print { .explorer, .browse, .table-search { display: none !important; } .count-button { text-decoration: none; } }
`;
