import { spawn } from 'node:child_process';

/** Opens an address in the user's browser; false where no way to do so was found. */
export function openBrowser(url: string): Promise<boolean> {
  const command = process.platform === 'darwin' ? 'open' : 'xdg-open';
  return new Promise((resolve) => {
    const child = spawn(command, [url], { stdio: 'ignore', detached: true });
    child.once('error', () => resolve(false));
    // It may go on as the browser itself: whoever has not failed by then has opened something.
    const patience = setTimeout(() => resolve(true), 2000);
    patience.unref();
    child.once('exit', (code) => {
      clearTimeout(patience);
      resolve(code === 0);
    });
    child.unref();
  });
}
