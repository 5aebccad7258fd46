import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

/** Debian puts nats-server into /usr/sbin, which is not on every user's PATH. */
const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin'];
const START_TIMEOUT_MS = 10_000;
const STOP_TIMEOUT_MS = 5_000;
const LISTENING = /Listening for client connections on \S*?:(\d+)/;
const READY = 'Server is ready';

/** A nats-server that this process started on the loopback interface. */
export interface NatsServer {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Ends the server and waits until it is gone; SIGKILL after 5 seconds. */
  stop(): Promise<void>;
}

export interface NatsServerOptions {
  /** JetStream's folder; left out: a temporary one that `stop` removes. */
  readonly storeDir?: string;
  /** Left out: a free port. */
  readonly port?: number;
  /** Default true. */
  readonly jetstream?: boolean;
  /** Where to look for the program; default PATH, then the system's folders. */
  readonly folders?: readonly string[];
  /** Further command line arguments of nats-server. */
  readonly arguments?: readonly string[];
}

const programFolders = (): readonly string[] => [
  ...new Set([...(process.env.PATH ?? '').split(delimiter), ...SYSTEM_FOLDERS].filter((folder) => folder !== '')),
];

/** The path of nats-server, undefined where none of the folders has it; default PATH, then the system's folders. */
export const findNatsServer = (folders = programFolders()): string | undefined =>
  folders.map((folder) => join(folder, 'nats-server')).find(isExecutable);

/** Starts nats-server on 127.0.0.1; fails with a sentence where it isn't installed, exits early or isn't ready in 10 seconds. */
export const startNatsServer = async (options: NatsServerOptions = {}): Promise<NatsServer> => {
  const folders = options.folders ?? programFolders();
  const program = findNatsServer(folders);
  if (program === undefined) {
    throw new Error(
      `nats-server is not installed (looked in ${folders.join(', ')}); install it with "apt-get install nats-server"`,
    );
  }
  const jetstream = options.jetstream ?? true;
  const temporary =
    jetstream && options.storeDir === undefined ? await mkdtemp(join(tmpdir(), 'shrike-nats-')) : undefined;
  const storeDir = options.storeDir ?? temporary;
  const child = spawn(
    program,
    [
      ...['-a', '127.0.0.1', '-p', String(options.port ?? -1)],
      ...(jetstream && storeDir !== undefined ? ['-js', '-sd', storeDir] : []),
      ...(options.arguments ?? []),
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const killAtExit = () => child.kill('SIGKILL');
  process.once('exit', killAtExit);
  const stop = async () => {
    await terminate(child);
    process.off('exit', killAtExit);
    if (temporary !== undefined) await rm(temporary, { recursive: true, force: true });
  };
  try {
    const port = await listeningPort(child);
    return { url: `nats://127.0.0.1:${port}`, port, pid: child.pid!, stop };
  } catch (error) {
    await stop();
    throw error;
  }
};

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

const hasEnded = (child: ChildProcess): boolean =>
  child.pid === undefined || child.exitCode !== null || child.signalCode !== null;

const terminate = async (child: ChildProcess): Promise<void> => {
  if (hasEnded(child)) return;
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await ended;
  clearTimeout(timer);
};

/** The port from the server's log, once it says that it is ready. */
const listeningPort = (child: ChildProcess): Promise<number> =>
  new Promise((resolve, reject) => {
    let log = '';
    const lastLine = () => log.trimEnd().split('\n').at(-1) || 'it printed nothing';
    const finish = (settle: () => void) => {
      clearTimeout(timer);
      child.stderr?.off('data', read);
      child.stderr?.resume();
      child.off('error', failed).off('exit', exited);
      settle();
    };
    const read = (chunk: Buffer) => {
      log += chunk.toString();
      const port = LISTENING.exec(log)?.[1];
      if (port !== undefined && log.includes(READY)) finish(() => resolve(Number(port)));
    };
    const failed = (error: Error) => finish(() => reject(new Error(`nats-server can't be run: ${error.message}`)));
    const exited = (code: number | null) =>
      finish(() => reject(new Error(`nats-server exited with code ${code} before it was ready: ${lastLine()}`)));
    const timer = setTimeout(
      () => finish(() => reject(new Error(`nats-server was not ready within 10 s: ${lastLine()}`))),
      START_TIMEOUT_MS,
    );
    child.stderr?.on('data', read);
    child.once('error', failed).once('exit', exited);
  });
