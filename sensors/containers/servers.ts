import type { CgroupContainer } from './cgroup.ts';
import { createCri } from './cri.ts';
import { createDocker } from './docker.ts';
import { type Inspected, type Runtime, RuntimeError, type RuntimeLimits, type RuntimeProblem } from './runtime.ts';
import { isSocketThere, type RuntimeSocket, socketsFor } from './sockets.ts';

/** What asking all servers came to. */
export type Found =
  | { readonly state: 'found'; readonly inspected: Inspected }
  /** At least one server answered, and none knows the container. */
  | { readonly state: 'not found' }
  /** No server could be asked. */
  | { readonly state: 'no answer' };

/** The servers of this host's container runtimes. */
export interface Servers {
  find(container: CgroupContainer): Promise<Found>;
  /** Gets ready to ask the servers that there are. */
  prepare(): Promise<void>;
  close(): void;
}

export interface ServersOptions {
  readonly sockets: readonly RuntimeSocket[];
  readonly limits: RuntimeLimits;
  /** Milliseconds in which a server that failed isn't asked again. */
  readonly rest: number;
  /** Told once of each problem of each server. */
  readonly warn: (sentence: string) => void;
}

interface Server {
  readonly socket: RuntimeSocket;
  readonly runtime: Runtime;
  readonly warned: Set<RuntimeProblem>;
  /** Milliseconds of performance.now(). */
  restsUntil: number;
}

const SPEAKS: Readonly<Record<RuntimeSocket['protocol'], string>> = {
  cri: 'CRI (runtime.v1 over gRPC)',
  docker: 'the Docker Engine API',
  podman: "Podman's Docker API",
};

const REASONS: Readonly<Record<RuntimeProblem, (server: Server, error: Error) => string>> = {
  missing: () => 'it is gone',
  denied: () => "the agent may not open it; run it as root or as a member of the socket's group",
  refused: () => 'nobody listens there; start the runtime, or remove the socket',
  silent: (_, error) => error.message,
  large: (_, error) => `its answer is too long: ${error.message}`,
  garbled: ({ socket }, error) => `it does not speak ${SPEAKS[socket.protocol]}: ${error.message}`,
  failed: (_, error) => error.message,
};

const create = (socket: RuntimeSocket, limits: RuntimeLimits): Runtime =>
  socket.protocol === 'cri' ? createCri(socket.path, limits) : createDocker(socket.path, socket.protocol, limits);

/** Servers are connected to when they are asked first; one that fails rests for a while. */
export const createServers = ({ sockets, limits, rest, warn }: ServersOptions): Servers => {
  const servers = sockets.map(
    (socket): Server => ({ socket, runtime: create(socket, limits), warned: new Set(), restsUntil: 0 }),
  );
  const failed = (server: Server, error: unknown): void => {
    server.restsUntil = performance.now() + rest;
    const known = error instanceof RuntimeError ? error : new RuntimeError('failed', String(error));
    const { problem } = known;
    if (problem === 'missing' || server.warned.has(problem)) return;
    server.warned.add(problem);
    const reason = REASONS[problem](server, known);
    warn(
      `the container runtime at ${server.socket.path} can't be asked: ${reason}. Facts of its containers are unknown`,
    );
  };
  const ask = async (server: Server, id: string): Promise<Found> => {
    if (server.restsUntil > performance.now() || !(await isSocketThere(server.socket.path)))
      return { state: 'no answer' };
    try {
      const inspected = await server.runtime.inspect(id);
      return inspected === undefined ? { state: 'not found' } : { state: 'found', inspected };
    } catch (error) {
      failed(server, error);
      return { state: 'no answer' };
    }
  };
  return {
    find: async (container) => {
      const may = new Set(socketsFor(sockets, container));
      const answers = await Promise.all(
        servers.filter(({ socket }) => may.has(socket)).map((server) => ask(server, container.id)),
      );
      const found = answers.find(({ state }) => state === 'found');
      return found ?? answers.find(({ state }) => state === 'not found') ?? { state: 'no answer' };
    },
    prepare: async () => {
      for (const { socket, runtime } of servers) if (await isSocketThere(socket.path)) runtime.prepare?.();
    },
    close: () => {
      for (const { runtime } of servers) runtime.close();
    },
  };
};
