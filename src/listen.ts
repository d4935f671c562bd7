import type { Server } from 'node:http';
import { AuditError } from './errors.ts';

/** Where servers of ours listen. */

const reasons: Readonly<Record<string, readonly [why: string, hint: string]>> = {
  EADDRINUSE: ['is in use', 'choose another --port, or --port 0 for a free one'],
  EADDRNOTAVAIL: ['is no address of this machine', 'choose another --host'],
  ENOTFOUND: [
    'is no address of this machine',
    'choose another --host: a number, without brackets, or localhost',
  ],
  EACCES: ['needs more rights', 'choose a --port from 1024 on'],
};

/** Resolves once it listens. @throws AuditError `config` where the address cannot be had. */
export function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    if (port > 65_535)
      throw new AuditError('config', `--port ${port}: ports end at 65535`, { hint: 'choose another --port' });
    server.once('error', (error: NodeJS.ErrnoException) => {
      const [why, hint] = reasons[error.code ?? ''] ?? [
        `cannot be listened on (${error.code})`,
        'choose another --host or --port',
      ];
      reject(new AuditError('config', `${host}:${port} ${why}`, { hint, cause: error }));
    });
    server.listen(port, host, resolve);
  });
}
