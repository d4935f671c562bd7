import { darkColours, escapeXml as escapeHtml } from '../plot.ts';
import { styleSheet } from '../report/html-style.ts';

/** A page's beginning, up to its body. `style`: CSS after that of all pages; `policy`: of a page that no server gives one. */
export function pageHead(
  title: string,
  { style, policy = null }: { readonly style: string; readonly policy?: string | null },
): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
${policy === null ? '' : `<meta http-equiv="Content-Security-Policy" content="${policy}">`}
<title>${escapeHtml(title)}</title>
<style>
${styleSheet}${darkColours('.mark')}${style}
</style>
</head>`;
}
