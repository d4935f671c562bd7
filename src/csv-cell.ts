/** Text as a CSV cell in quotes: one that a spreadsheet would run as a formula is made text by a leading apostrophe. */
export const csvCell = (text: string): string =>
  `"${text.replace(/^(?=[=+\-@\t\r\n＝＋－＠])/, "'").replaceAll('"', '""')}"`;
