import type { ConnectionOptions, NatsConnection } from 'nats';
import { natsClient } from './client.ts';
import { type NatsAddress, readIdentity } from './identity.ts';

const CONNECT_TIMEOUT_MS = 3_000;
const PING_INTERVAL_MS = 10_000;

/** NATS servers as given on a command line, ready to connect to. */
export interface Servers {
  /** Without credentials: `nats://127.0.0.1:4222`; what messages show. */
  readonly text: string;
  readonly options: Readonly<ConnectionOptions>;
  /** Reads the files of the address, again for each connection: a new key counts from the next one on. Fails with a sentence. */
  identity(): Readonly<ConnectionOptions>;
  /** The file with the user's key or credentials, where there is one. */
  readonly keyFile: string | undefined;
}

/**
 * Reads one or more URLs, separated by commas: `nats://[user:password@]host[:port]`, or `tls://`, and the files of the address.
 * @throws Error with a sentence
 */
export const parseServers = (address: string | NatsAddress): Servers => {
  const { url: urls, ...files } = typeof address === 'string' ? { url: address } : address;
  const parsed = urls.split(',').map((url) => parseUrl(url.trim()));
  const { username, password } = parsed.find((url) => url.username !== '') ?? { username: '', password: '' };
  const [user, pass] = [decodeURIComponent(username), decodeURIComponent(password)];
  const credentials = user === '' ? {} : pass === '' ? { token: user } : { user, pass };
  const secure = parsed.some((url) => url.protocol === 'tls:');
  const hosts = parsed.map((url) => url.hostname.replace(/^\[(.*)\]$/, '$1'));
  const identity = () => readIdentity(files, hosts, secure);
  if (user !== '' && (files.nkeyFile ?? files.credsFile) !== undefined)
    throw new Error('credentials are in the URL and in a file; give one of them');
  identity();
  const servers = parsed.map((url) => (url.port === '' ? `${url.hostname}:4222` : url.host));
  return {
    text: parsed.map((url, index) => `${url.protocol}//${servers[index]}`).join(', '),
    options: { servers, ...credentials },
    identity,
    keyFile: files.nkeyFile ?? files.credsFile,
  };
};

const parseUrl = (text: string): URL => {
  const shape = 'expected nats://[user:password@]host[:port] or tls://host[:port]';
  let url: URL;
  try {
    url = new URL(text.includes('://') ? text : `nats://${text}`);
  } catch {
    throw new Error(`${JSON.stringify(text)} is not the URL of a NATS server; ${shape}`);
  }
  const isServer = (url.protocol === 'nats:' || url.protocol === 'tls:') && url.hostname !== '';
  if (isServer && url.pathname.replace('/', '') === '') return url;
  const shown = url.password === '' ? text : text.replace(/\/\/[^@]*@/, '//');
  throw new Error(`${JSON.stringify(shown)} is not the URL of a NATS server; ${shape}`);
};

/** Connects; fails with the sentence of `describeNatsError`. */
export const connectTo = async (servers: Servers, options: ConnectionOptions): Promise<NatsConnection> => {
  const limits = { timeout: CONNECT_TIMEOUT_MS, pingInterval: PING_INTERVAL_MS };
  let identity: ConnectionOptions;
  try {
    identity = servers.identity();
  } catch (error) {
    throw new Error(`${servers.text}: ${(error as Error).message}`, { cause: error });
  }
  try {
    return await natsClient().connect({ ...limits, ...servers.options, ...identity, ...options });
  } catch (error) {
    const isRefused = (error as { code?: string }).code === 'AUTHORIZATION_VIOLATION';
    const sentence =
      isRefused && servers.keyFile !== undefined
        ? `${servers.text}: the server refused the key in ${servers.keyFile} (authorization violation); is its public key in the server's configuration, and was that reloaded?`
        : describeNatsError(error, servers.text);
    throw new Error(sentence, { cause: error });
  }
};

/** By the client's error code, or its message where that has none. */
const REMEDIES: Readonly<Record<string, string>> = {
  CONNECTION_REFUSED:
    'connection refused; is nats-server running? Start one with "nats-server -js", or leave out --nats',
  ECONNREFUSED: 'connection refused; is nats-server running? Start one with "nats-server -js", or leave out --nats',
  ENOTFOUND: 'no such host; is the name right?',
  EAI_AGAIN: 'the name of the host cannot be looked up now; is the network up?',
  ECONNRESET: 'the server closed the connection; is it a NATS server?',
  'unexpected response from server': 'what answers there is not a NATS server; is the port right?',
  TIMEOUT: 'no answer; is it a NATS server, and does a firewall let the port through?',
  CONNECTION_TIMEOUT: 'no answer; is it a NATS server, and does a firewall let the port through?',
  AUTHORIZATION_VIOLATION:
    'the server refused the credentials (authorization violation); give them in the URL: nats://user:password@host:port',
  PERMISSIONS_VIOLATION: 'the server does not permit this user to publish or read alerts (permissions violation)',
  MAX_PAYLOAD_EXCEEDED: 'the alert is larger than the server takes (max_payload)',
  '503': 'JetStream does not answer there; is it enabled and has it a leader?',
  CONNECTION_CLOSED: 'the connection was lost',
  CANCELLED: 'the connection was lost',
};

/** One sentence about what went wrong with a server, and the remedy. */
export const describeNatsError = (error: unknown, servers: string): string => {
  const { code, message } = error as { code?: string; message?: string };
  const remedy = REMEDIES[code ?? ''] ?? REMEDIES[message ?? ''];
  return `${servers}: ${remedy ?? message ?? String(error)}`;
};
