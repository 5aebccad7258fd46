import { createServer, type Server } from 'node:http';
import { type AddressInfo, isIP } from 'node:net';
import { InvalidArgumentError, Option } from 'commander';
import { CliError, EXIT } from './exit.ts';

/** Where metrics are served. */
export interface MetricsAddress {
  readonly host: string;
  readonly port: number;
}

/** `9273`, `0.0.0.0:9273`, `[::1]:9273`; a port alone is on the loopback interface. @throws InvalidArgumentError */
export const metricsAddressOf = (text: string): MetricsAddress => {
  const [, bracketed, plain, digits = ''] = /^(?:\[([^\]]+)\]:|([^:]+):)?(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain ?? '127.0.0.1';
  const port = Number(digits);
  if (digits === '' || port > 65_535 || isIP(host) === 0)
    throw new InvalidArgumentError(
      'Expected a port, or an address and a port, for example 9273, 0.0.0.0:9273 or [::1]:9273.',
    );
  return { host, port };
};

/** What an agent that is asked for its health says of one thing. */
export interface Check {
  readonly name: string;
  readonly ok: boolean;
  /** What is wrong, in a sentence. */
  readonly reason?: string;
}

/** What is served. */
export interface Served {
  /** In Prometheus's text format. */
  metrics(): Promise<string>;
  /** What must hold for the agent to be of any use; where it doesn't, a supervisor had better start it again. */
  health(): readonly Check[];
  /** What must hold, beside that, for it to do all that it was started for. */
  readiness(): readonly Check[];
}

/** A running endpoint. */
export interface MetricsServer {
  /** `http://127.0.0.1:9273`. */
  readonly url: string;
  close(): Promise<void>;
}

const TEXT = 'text/plain; version=0.0.4; charset=utf-8';
const JSON_TYPE = 'application/json; charset=utf-8';
const REQUEST_MS = 5_000;
const MOST_CONNECTIONS = 32;
const INDEX = 'Shrike serves /metrics (Prometheus), /healthz and /readyz\n';

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

const checked = (checks: readonly Check[]): Answer => {
  const ok = checks.every((check) => check.ok);
  return { status: ok ? 200 : 503, type: JSON_TYPE, body: `${JSON.stringify({ ok, checks })}\n` };
};

const answerTo = async (path: string, { metrics, health, readiness }: Served): Promise<Answer> => {
  switch (path) {
    case '/':
      return { status: 200, type: TEXT, body: INDEX };
    case '/metrics':
      return { status: 200, type: TEXT, body: await metrics() };
    case '/healthz':
      return checked(health());
    case '/readyz':
      return checked([...health(), ...readiness()]);
    default:
      return { status: 404, type: TEXT, body: INDEX };
  }
};

const listen = (server: Server, { host, port }: MetricsAddress): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });

/** Serves metrics and health by HTTP, to whoever asks: nothing in them is secret, and nothing can be changed by them. @throws CliError where the address can't be had */
export const serveMetrics = async (address: MetricsAddress, served: Served): Promise<MetricsServer> => {
  const server = createServer((request, response) => {
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    const [path = ''] = (request.url ?? '').split('?');
    const answer = isRead
      ? answerTo(path, served)
      : Promise.resolve({ status: 405, type: TEXT, body: 'Only GET and HEAD are answered\n' });
    answer
      .catch((error: unknown) => ({ status: 500, type: TEXT, body: `${String(error)}\n` }))
      .then(({ status, type, body }) => {
        response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
        response.end(request.method === 'HEAD' ? undefined : body);
      });
    request.resume();
  });
  server.requestTimeout = REQUEST_MS;
  server.headersTimeout = REQUEST_MS;
  server.maxConnections = MOST_CONNECTIONS;
  try {
    await listen(server, address);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === 'EADDRINUSE' ? 'another process listens there' : message;
    throw new CliError(
      `metrics can't be served at ${address.host}:${address.port}: ${why}; give another address with --metrics`,
      EXIT.environment,
    );
  }
  server.unref();
  const { port } = server.address() as AddressInfo;
  const host = isIP(address.host) === 6 ? `[${address.host}]` : address.host;
  return {
    url: `http://${host}:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};

export const metricsOptions = (): readonly Option[] => [
  new Option(
    '--metrics <address>',
    'serve metrics for Prometheus, /healthz and /readyz: a port (on 127.0.0.1), or address:port',
  ).argParser(metricsAddressOf),
  new Option(
    '--program-cost',
    "with --metrics: have the kernel count its programs' runs and time (of all eBPF programs on the host, about 20 ns a run)",
  ),
];
