import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

const megabytes = (pid, field) => {
  try {
    return (
      Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024
    );
  } catch {
    return null; // It has ended.
  }
};

/** Runs a command; what it took, its largest memory, and its standard error line by line as it comes. */
export function watched(command, args, { onLine = () => {}, ...spawning } = {}) {
  const started = performance.now();
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'], ...spawning });
  let [peakMegabytes, tail] = [0, ''];
  const timer = setInterval(() => {
    peakMegabytes = Math.max(peakMegabytes, megabytes(child.pid, 'VmHWM') ?? 0);
  }, 100);
  child.stderr.on('data', (text) => {
    tail = `${tail}${text}`.slice(-4000);
    for (const line of String(text).split('\n')) if (line.trim() !== '') onLine(line);
  });
  const ended = new Promise((resolve) => {
    child.on('close', (code, signal) => {
      clearInterval(timer);
      const wallSeconds = (performance.now() - started) / 1000;
      resolve({ code, signal, tail, wallSeconds, peakMegabytes });
    });
  });
  return { ended, kill: () => child.kill('SIGKILL'), residentMegabytes: () => megabytes(child.pid, 'VmRSS') };
}
