/** What the viewer's pages need beyond the report's style. */
export const viewerStyle = `:is([data-page="live"], [data-page="index"]) { overflow-anchor: none; }
.notice { border: 1px solid var(--line); border-left: 5px solid var(--open); border-radius: 6px; background: var(--panel); padding: 1rem 1.3rem; margin: 0 0 1.4rem; }
.notice p:last-child { margin-bottom: 0; }
.unseen { position: absolute; width: 1px; height: 1px; margin: 0; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.status { font-weight: 600; margin: 0 0 .4rem; font-variant-numeric: tabular-nums; }
progress { width: 9rem; height: .7rem; vertical-align: middle; accent-color: var(--link); }
.tools { display: flex; flex-wrap: wrap; gap: .6rem; align-items: end; margin: 0 0 1.4rem; }
.tools label { display: block; font-size: .84rem; color: var(--muted); }
.tools select { display: block; max-width: 22rem; }
fieldset { border: 1px solid var(--line); border-radius: 4px; margin: 0; padding: .2rem .7rem .45rem; font-size: .84rem; }
legend { color: var(--muted); padding: 0 .3rem; }
.tools fieldset label { display: inline-block; margin-right: .8rem; color: inherit; }
.press { border: 1px solid var(--muted); border-radius: 5px; background: var(--panel); padding: .35rem .8rem; cursor: pointer; }
.press:hover { border-color: var(--ink); }
.press[aria-pressed="true"] { background: var(--link); color: var(--page); border-color: var(--link); }
.press[aria-disabled="true"] { color: var(--muted); border-color: var(--line); cursor: default; }
:is(.press, .sort, input, select):focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
kbd { font: .82em/1 var(--mono); border: 1px solid currentColor; border-radius: 3px; padding: .05rem .3rem; margin-left: .35rem; }
.log { font: .8rem/1.5 var(--mono); list-style: none; margin: 0; padding: .6rem .8rem; max-height: 18rem; overflow: auto; border: 1px solid var(--line); border-radius: 5px; background: var(--panel); }
.log time { color: var(--muted); margin-right: .6rem; }
.log:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
.asked, .given { border: 1px solid var(--line); border-radius: 6px; padding: .8rem 1rem; margin: 0 0 .9rem; min-height: 4.6rem; }
.asked h2, .given h2 { margin: 0 0 .4rem; padding: 0; font-size: .875rem; color: var(--muted); }
.asked pre, .given pre { margin: 0; font: 1rem/1.55 var(--sans); white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: isolate; }
.hidden-text { margin: 0; color: var(--muted); font-style: italic; }
.state-running { color: var(--open); font-weight: 600; }
.state-damaged { color: var(--fail); font-weight: 600; }
.arms .arm { margin-right: .9em; }
.rates { margin: 0; padding: 0; list-style: none; white-space: nowrap; }
`;
