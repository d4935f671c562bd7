import { AuditError } from '../errors.ts';

/** A refusal in the shape of OpenAI's error bodies. */
export class ServeError extends Error {
  readonly status: number;
  readonly type: string;
  /** The parameter at fault. */
  readonly param: string | null;

  constructor(status: number, message: string, type = 'invalid_request_error', param: string | null = null) {
    super(message);
    this.status = status;
    this.type = type;
    this.param = param;
  }

  get body(): object {
    return { error: { message: this.message, type: this.type, param: this.param, code: this.status } };
  }
}

/** What a client is told of an error: our own bugs without their details. */
export function asServeError(error: unknown): ServeError {
  if (error instanceof ServeError) return error;
  if (error instanceof AuditError && (error.code === 'data' || error.code === 'model'))
    return new ServeError(400, error.message.replace(/^[^:]*\//, '')); // a client need not know where files lie
  if (error instanceof AuditError && error.code === 'interrupted')
    return new ServeError(
      503,
      'the request ran past its deadline, or the server is stopping',
      'server_error',
    );
  if (error instanceof AuditError && error.code === 'engine')
    return new ServeError(500, error.message, 'server_error');
  return new ServeError(500, 'internal error', 'server_error');
}
